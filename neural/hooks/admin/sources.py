"""The admin's pages of webhook sources: the address for the platform, credentials, and the codes
of its stores.

Secrets are write-only. The form never shows one, and an empty field keeps what is set.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    instant,
    instant_column,
    link,
    link_column,
    page_address,
)
from neural.admin.pages import page
from neural.admin.scope import ScopedAdmin, section
from neural.audit.titles import register_titles_of_rows
from neural.hooks.admin.reconciliations import ask, in_words
from neural.hooks.conf import conf
from neural.hooks.incoming.reconciling import today, why_not
from neural.hooks.incoming.recording import PUSHED
from neural.hooks.incoming.translating import HANDLER
from neural.hooks.models import PushState, Reconciliation, StoreCode, WebhookSource
from neural.hooks.platforms.base import API_URL, PLATFORMS, Credential
from neural.kit.encrypted import SecretUnreadable
from neural.kit.sites import address_if_there
from neural.ledger.clock import database_clock
from neural.models import NeuralEvent, Store, TaskRun
from neural.models.store import sees_every_store, visible_stores

CREDENTIAL = "credential_"
DELETED = "deleted_"
ADDRESS = API_URL.name
"""The credential that says where requests with the secrets are sent."""
_LONGEST = 4000


class OwnChoices:
    """Offers only the user's own stores, and sources of these."""

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any
    ) -> Any:
        related: Any = db_field.related_model
        if related in (Store, WebhookSource):
            kwargs["queryset"] = related.objects.for_user(request.user).order_by("pk")
        if related is WebhookSource:
            kwargs["queryset"] = kwargs["queryset"].defer("credentials").order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


@page(StoreCode)
class StoreCodeAdmin(OwnChoices, ScopedAdmin):
    list_display = ("code", "source", "store", "since")
    list_filter = (("source", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("store",)
    search_fields = ("code", "store__code", "store__name")
    ordering = ("source__name", "code")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("source").defer("source__credentials")


register_titles_of_rows(StoreCode, [("move", _("Move orders"))])


class StoreCodesInline(OwnChoices, admin.TabularInline):
    """The codes of a source, on its page."""

    model = StoreCode
    extra = 1

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name each field for screen readers, too: the headings of the columns are no labels."""
        found: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if found is not None:
            widget = getattr(found.widget, "widget", found.widget)
            widget.attrs["aria-label"] = str(db_field.verbose_name)
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        codes: QuerySet = super().get_queryset(request).order_by("code")
        mine = visible_stores(request.user)
        return codes if mine is None else codes.filter(store__in=mine)


class SourceForm(forms.ModelForm):
    """The form of a new source, and what the forms of all platforms have in common."""

    class Meta:
        model = WebhookSource
        fields = ("name", "platform", "store", "active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "platform" in self.fields:
            label = self.fields["platform"].label
            named = [(each.name, platform_label(each.name)) for each in PLATFORMS]
            choices = [("", "---------"), *named]
            self.fields["platform"] = forms.ChoiceField(label=label, choices=choices)

    def clean(self) -> dict[str, Any]:
        """Put what was entered into the credentials of the instance."""
        cleaned = super().clean() or self.cleaned_data
        platform = PLATFORMS.find(self.instance.platform)
        if self.instance.pk and platform is not None:
            stored = stored_credentials(self.instance)
            changed = dict(stored or {})
            for each in platform.credentials:
                given = cleaned.get(CREDENTIAL + each.name, "")
                if cleaned.get(DELETED + each.name) or (not each.secret and not given):
                    changed.pop(each.name, None)
                elif given:
                    changed[each.name] = given
            self._guard_kept_secrets(platform.credentials, stored or {}, changed, cleaned)
            if changed != stored:
                self.instance.credentials = changed
        return cleaned

    def _guard_kept_secrets(
        self,
        known: Any,
        stored: Mapping[str, str],
        changed: Mapping[str, str],
        cleaned: Mapping[str, Any],
    ) -> None:
        """Refuse another address with secrets that nobody entered anew: whoever may change a source
        could have them sent to a server of their own, although no page shows them."""
        if changed.get(ADDRESS, "") == stored.get(ADDRESS, ""):
            return
        for each in known:
            is_kept = each.secret and changed.get(each.name) and stored.get(each.name)
            if is_kept and not cleaned.get(CREDENTIAL + each.name):
                text = _("Enter it again: the address to which it is sent was changed.")
                self.add_error(CREDENTIAL + each.name, text)


def platform_label(name: str) -> str:
    """A platform's name for people; of one that is not registered, its code."""
    platform = PLATFORMS.find(name)
    return name if platform is None else translation.gettext(str(platform.label))


def stored_credentials(source: WebhookSource) -> Mapping[str, str] | None:
    """The credentials of a source; None if they were encrypted with another key."""
    try:
        credentials: Mapping[str, str] = source.credentials
    except SecretUnreadable:
        return None
    return credentials


def form_for(source: WebhookSource | None) -> type[forms.ModelForm]:
    """The form of one source, with the fields of its platform."""
    fields = credential_fields(source) if source else {}
    return type("SourceForm", (SourceForm,), fields)


def credential_fields(source: WebhookSource) -> dict[str, forms.Field]:
    """The fields of a source's credentials by their names in the form."""
    platform = PLATFORMS.find(source.platform)
    stored = stored_credentials(source)
    fields: dict[str, forms.Field] = {}
    for each in platform.credentials if platform else ():
        value = (stored or {}).get(each.name, "")
        fields[CREDENTIAL + each.name] = _field(each, value, unreadable=stored is None)
        if each.secret and not each.required and value:
            label = _("Delete: %(credential)s") % {
                "credential": translation.gettext(str(each.label))
            }
            fields[DELETED + each.name] = forms.BooleanField(label=label, required=False)
    return fields


def _field(credential: Credential, value: str, *, unreadable: bool) -> forms.Field:
    label = capfirst(translation.gettext(str(credential.label)))
    if not credential.secret:
        return forms.CharField(
            label=label,
            initial=value,
            required=credential.required,
            max_length=_LONGEST,
            widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        )
    text = _("Set. Leave it empty to keep it.") if value else ""
    if unreadable:
        text = _("It was encrypted with another SECRET_KEY: enter it again.")
    return forms.CharField(
        label=label,
        required=credential.required and not value,
        max_length=_LONGEST,
        help_text=text,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
    )


MOST_LOOKED_THROUGH = 2_000
"""Among how many of the newest pushes the last one of a source is looked for: no index has the
source first."""

_CREATED = instant_column(WebhookSource, "created_at")
_WAITING = Count("pushes", filter=Q(pushes__state=PushState.WAITING))


RECONCILE = Verb(
    name="reconcile",
    label=_("Fetch what was missed"),
    explanation=_(
        "Fetch what was missed: ask the platform for the orders of yesterday and today, and submit "
        "what no push has brought"
    ),
    permission="neural_hooks.reconcile_webhooksource",
    apply=lambda source, user: ask(source, user, *_lately()),
    fits=lambda source: not why_not(source),
    change=gettext_noop("asked for what was missed yesterday and today"),
)


@page(WebhookSource)
class WebhookSourceAdmin(OwnChoices, VerbsAdmin, ScopedAdmin):
    verbs = (RECONCILE,)
    list_display = (
        "name",
        "platform_display",
        link_column(WebhookSource, "store"),
        "active",
        "waiting",
    )
    list_filter = ("active",)
    list_select_related = ("store",)
    search_fields = ("name", "store__code")
    whole_chain = ("add",)  # a user of some stores would not see a source without a store
    ordering = ("name",)  # the query's count of pushes makes Django forget the model's
    inlines = (StoreCodesInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without credentials, which may be unreadable: only the form reads them."""
        return super().get_queryset(request).defer("credentials").annotate(waits=_WAITING)

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The source, with the address that is to be given to its platform."""
        source: Any = super().get_object(request, *args, **kwargs)
        if source is not None:
            source.address_given = address_of(source, request)
        return source

    # Who may do what

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Name and platform stay: the name is the source of recorded events and a part of the
        address, and the credentials are those of the platform."""
        if obj is None:
            return ()
        visible = (
            "name",
            "platform_display",
            "address",
            "documents",
            "credentials_display",
            "last_push",
            "waiting",
            "missed",
            _CREATED,
        )
        return visible if sees_every_store(request.user) else (*visible, "store")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            explained = _("Its address and the fields for its credentials appear once it is saved.")
            fields = ("name", "platform", "store", "active")
            return (section(None, *fields, description=explained),)
        entered: Any = ("credentials_display",)
        if self.has_change_permission(request, obj):
            entered = tuple(credential_fields(obj)) or entered
        state = ("last_push", "waiting", "missed", _CREATED)
        return (
            section(None, "name", "platform_display", "address", "store", "active"),
            section(_("Credentials"), *entered, "documents"),
            section(_("Course"), *state),
        )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            kwargs["form"] = form_for(obj)
        return super().get_form(request, obj, change=change, **kwargs)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to the page of the new source, to enter its credentials."""
        if "_save" in request.POST:
            text = gettext("The source was added. Now enter the credentials of its platform.")
            self.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(page_address(obj))
        return super().response_add(request, obj, post_url_continue)

    # Columns

    @admin.display(description=_("platform"))
    def platform_display(self, source: WebhookSource) -> SafeString | str:
        if source.platform not in PLATFORMS:
            text = gettext("%(platform)s: not installed") % {"platform": source.platform}
            return badge("dead", text)
        return platform_label(source.platform)

    @admin.display(description=_("address for the platform"))
    def address(self, source: Any) -> SafeString | str:
        if not source.address_given:
            return gettext("The project does not mount neural.hooks.urls.")
        return format_html('<code class="neural-copied">{}</code>', source.address_given)

    @admin.display(description=_("documents"))
    def documents(self, source: WebhookSource) -> SafeString | str:
        """Where the platform says how it pushes."""
        platform = PLATFORMS.find(source.platform)
        rows = [(each, each) for each in (platform.documents if platform else ())]
        row = '<a href="{}" rel="noreferrer noopener" target="_blank">{}</a>'
        return format_html_join(mark_safe("<br>"), row, rows) or NOTHING

    @admin.display(description=_("credentials"))
    def credentials_display(self, source: WebhookSource) -> SafeString | str:
        """Which are set, for users who may not change them."""
        platform = PLATFORMS.find(source.platform)
        stored = stored_credentials(source) or {}
        known = platform.credentials if platform else ()
        names = [translation.gettext(str(each.label)) for each in known if stored.get(each.name)]
        return gettext("set: %(names)s") % {"names": ", ".join(names)} if names else NOTHING

    @admin.display(description=_("pushes without a store"), ordering="waits")
    def waiting(self, source: Any) -> SafeString | str:
        if not source.waits:
            return NOTHING
        text = gettext("%(count)d waiting") % {"count": source.waits}
        visible = badge("unhandled", text)
        address = address_if_there("neural_hooks_unroutedpush_changelist")
        if not address:
            return visible
        query = f"?source={source.pk}&state={PushState.WAITING}"
        return format_html('<a href="{}{}">{}</a>', address, query, visible)

    @admin.display(description=_("what was missed"))
    def missed(self, source: WebhookSource) -> SafeString | str:
        """What came of asking for it last, or why its platform cannot be asked."""
        last = Reconciliation.objects.filter(source=source).order_by("-pk").first()
        if last is None:
            return why_not(source) or gettext("It was not asked for yet.")
        address = address_if_there("neural_hooks_reconciliation_changelist")
        return format_html(
            '{} {} <a href="{}?source={}">{}</a>',
            link(last, last.day),
            in_words(last),
            address,
            source.pk,
            gettext("all reports"),
        )

    @admin.display(description=_("last push"))
    def last_push(self, source: WebhookSource) -> SafeString | str:
        """The newest recorded push of the source, and the state of its run."""
        event = last_push_of(source)
        if event is None:
            return NOTHING
        run = TaskRun.objects.filter(event=event, handler=HANDLER).order_by("-pk").first()
        state = badge(run.state, run.get_state_display()) if run else ""
        return format_html("{} {} {}", instant(event.recorded_at), link(event), state)


def _lately() -> tuple[dt.date, dt.date]:
    """Yesterday and today."""
    last = today(database_clock())
    return last - dt.timedelta(days=1), last


def last_push_of(source: WebhookSource) -> NeuralEvent | None:
    """The newest push of a source among the newest of all."""
    newest = NeuralEvent.objects.filter(type=PUSHED).order_by("-pk").values_list("pk", "source")
    keys = (pk for pk, name in newest[:MOST_LOOKED_THROUGH] if name == source.name)
    key = next(keys, None)
    return None if key is None else NeuralEvent.objects.defer("payload").get(pk=key)


def address_of(source: WebhookSource, request: HttpRequest) -> str:
    """The address under which the platform reaches a source; empty if no address is mounted."""
    try:
        path = reverse("neural_hooks_receive", args=[source.name])
    except NoReverseMatch:
        return ""
    public = conf().hook_public_url.rstrip("/")
    return public + path if public else request.build_absolute_uri(path)
