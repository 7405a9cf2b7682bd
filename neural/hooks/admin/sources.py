"""The admin's pages of webhook sources: the address for the platform, and its credentials."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

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
from neural.admin.scope import ScopedAdmin
from neural.hooks.admin.codes import OwnChoices, StoreCodesInline
from neural.hooks.admin.source_form import (
    credential_fields,
    form_for,
    platform_label,
    stored_credentials,
)
from neural.hooks.conf import conf
from neural.hooks.incoming.recording import PUSHED
from neural.hooks.incoming.translating import HANDLER
from neural.hooks.models import PushState, UnroutedPush, WebhookSource
from neural.hooks.platforms.base import PLATFORMS
from neural.models import NeuralEvent, TaskRun
from neural.models.store import sees_every_store
from neural.sites import address_in_admin

MOST_LOOKED_THROUGH = 2_000
"""Among how many of the newest pushes the last one of a source is looked for: no index has the
source first."""

_CREATED = instant_column(WebhookSource, "created_at")
_WAITING = Count("pushes", filter=Q(pushes__state=PushState.WAITING))


@page(WebhookSource)
class WebhookSourceAdmin(OwnChoices, ScopedAdmin):
    list_display = (
        "name",
        "platform_shown",
        link_column(WebhookSource, "store"),
        "active",
        "waiting",
    )
    list_filter = ("active",)
    list_select_related = ("store",)
    search_fields = ("name", "store__code")
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

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A user who is limited to some stores would not see a source without a store."""
        return super().has_add_permission(request) and sees_every_store(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Name and platform stay: the name is the source of recorded events and a part of the
        address, and the credentials are those of the platform."""
        if obj is None:
            return ()
        shown = (
            "name",
            "platform_shown",
            "address",
            "documents",
            "credentials_shown",
            "last_push",
            "waiting",
            _CREATED,
        )
        return shown if sees_every_store(request.user) else (*shown, "store")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            explained = _("Its address and the fields for its credentials appear once it is saved.")
            fields = ("name", "platform", "store", "active")
            return ((None, {"fields": fields, "description": explained}),)
        entered: Any = ("credentials_shown",)
        if self.has_change_permission(request, obj):
            entered = tuple(credential_fields(obj)) or entered
        state = ("last_push", "waiting", _CREATED)
        return (
            (None, {"fields": ("name", "platform_shown", "address", "store", "active")}),
            (_("Credentials"), {"fields": (*entered, "documents")}),
            (_("Course"), {"fields": state}),
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
            said = gettext("The source was added. Now enter the credentials of its platform.")
            self.message_user(request, said, messages.SUCCESS)
            return HttpResponseRedirect(page_address(obj))
        return super().response_add(request, obj, post_url_continue)

    # Columns

    @admin.display(description=_("platform"))
    def platform_shown(self, source: WebhookSource) -> SafeString | str:
        if source.platform not in PLATFORMS:
            told = gettext("%(platform)s: not installed") % {"platform": source.platform}
            return badge("dead", told)
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
    def credentials_shown(self, source: WebhookSource) -> SafeString | str:
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
        told = gettext("%(count)d waiting") % {"count": source.waits}
        shown = badge("unhandled", told)
        try:
            address = address_in_admin(f"neural_hooks_{UnroutedPush._meta.model_name}_changelist")
        except NoReverseMatch:
            return shown
        query = f"?source={source.pk}&state={PushState.WAITING}"
        return format_html('<a href="{}{}">{}</a>', address, query, shown)

    @admin.display(description=_("last push"))
    def last_push(self, source: WebhookSource) -> SafeString | str:
        """The newest recorded push of the source, and the state of its run."""
        event = last_push_of(source)
        if event is None:
            return NOTHING
        run = TaskRun.objects.filter(event=event, handler=HANDLER).order_by("-pk").first()
        state = badge(run.state, run.get_state_display()) if run else ""
        return format_html("{} {} {}", instant(event.recorded_at), link(event), state)


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
