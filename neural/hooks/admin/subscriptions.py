"""The admin's pages of subscriptions: who gets what, paused, resumed, tested, with a new secret.

The secret is on the page that answers its making, once. It is in no later page, message, cookie or
log.
"""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant,
    instant_column,
    page_address,
    short_instant_column,
)
from neural.admin.filters import choice_filter
from neural.admin.forms import save_edited
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import ScopedAdmin, section
from neural.audit.titles import register_titles_of_rows
from neural.events.types import event_types
from neural.hooks.health import is_beyond_its_maker
from neural.hooks.models import Delivery, PauseReason, Subscription, SubscriptionState
from neural.hooks.outgoing.messages import OVERLAP, rotate_secret
from neural.hooks.outgoing.scheduling import send_test
from neural.hooks.outgoing.sending import FAILURES
from neural.hooks.outgoing.subscribed import OUTCOMES, matches_nothing
from neural.kit.outbound.client import refusal_of
from neural.kit.sites import address_in_admin
from neural.ledger.clock import database_clock
from neural.models import Store
from neural.models.store import sees_every_store

MOST_TYPES = 100


class SubscriptionForm(forms.ModelForm):
    """A subscription. Its types are typed, one in a line; its address is checked when it is saved,
    and again whenever something is sent."""

    types = forms.CharField(
        label=_("types"),
        widget=AdminTextareaWidget({"rows": 5, "spellcheck": "false"}),
        help_text=_(
            "One in each line: an event type like order.stated, a family like order.*, or * for "
            "every event. Outcomes of the events' runs: run.succeeded, run.dead."
        ),
    )

    class Meta:
        model = Subscription
        fields = ("name", "url", "types", "every_store", "stores", "history")
        widgets = {"url": AdminTextInputWidget({"class": "vLargeTextField"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "types" in self.fields:  # Django writes only the labels of a model's fields large
            self.fields["types"].label = capfirst(_("types"))
        if self.instance.pk and "types" in self.fields:
            self.initial["types"] = "\n".join(self.instance.types)

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"].strip()
        if refusal := refusal_of(url):
            raise ValidationError(refusal)
        return url

    def clean_types(self) -> set[str]:
        """The names, without repetitions. Each must be able to match something."""
        names = {each.strip() for each in self.cleaned_data["types"].splitlines()} - {""}
        known = [each.name for each in event_types()]
        problems = []
        if len(names) > MOST_TYPES:
            text = _("At most %(count)d types; a family like order.* needs only one.")
            problems.append(text % {"count": MOST_TYPES})
        for name in sorted(names)[:MOST_TYPES]:
            if matches_nothing(name, known):
                text = _("Nothing is ever called “%(name)s”. Known are: %(known)s")
                listed = ", ".join(sorted([*known, *OUTCOMES]))
                problems.append(text % {"name": name[:100], "known": listed})
        if problems:
            raise ValidationError(problems)
        return names

    def clean(self) -> dict[str, Any]:
        """Require stores, or every store: never both, and never none."""
        cleaned = super().clean() or {}
        every_store, stores = cleaned.get("every_store", False), cleaned.get("stores")
        if every_store and stores:
            raise ValidationError({"stores": _("Leave this empty for every store.")})
        if (
            not every_store
            and not stores
            and "stores" in self.fields
            and "stores" not in self.errors
        ):
            raise ValidationError({"stores": _("Choose the stores whose events are sent.")})
        return cleaned


PAUSED = gettext_noop("state: active → paused (pause)")
RESUMED = gettext_noop("state: paused → active (resume)")
TESTED = gettext_noop("deliveries: one more (send a test message)")
ROTATED = gettext_noop("secret: a new one (new secret)")
TAKEN_OVER = gettext_noop("maker: another person (take over)")
MOST_NAMED = 3
COUNTED = 1000


PAUSE = Verb(
    name="pause",
    label=_("Pause"),
    explanation=_("Pause: send nothing to these until they are resumed; what happens waits"),
    permission="neural_hooks.pause_subscription",
    apply=lambda subscription, user: subscription.pause(PauseReason.BY_HAND),
    fits=lambda subscription: subscription.state == SubscriptionState.ACTIVE,
    change=lambda subscription: PAUSED,
)
RESUME = Verb(
    name="resume",
    label=_("Resume"),
    explanation=_("Resume: send what waits, and what happens from now on"),
    permission="neural_hooks.pause_subscription",
    apply=lambda subscription, user: subscription.resume(),
    fits=lambda subscription: subscription.state == SubscriptionState.PAUSED,
    change=lambda subscription: RESUMED,
)
SEND_TEST = Verb(
    name="send_test",
    label=_("Send a test message"),
    explanation=_("Send a test message: it goes the way of every other; see Deliveries"),
    permission="neural_hooks.send_subscription",
    apply=lambda subscription, user: bool(send_test(subscription, by=user.get_username())),
    fits=lambda subscription: True,
    change=lambda subscription: TESTED,
)

TAKE_OVER = Verb(
    name="take_over",
    label=_("Take over"),
    explanation=_("Take over: answer for these in place of who made them and has lost a store"),
    permission="neural_hooks.change_subscription",
    apply=lambda subscription, user: subscription.take_over(user),
    fits=is_beyond_its_maker,
    change=lambda subscription: TAKEN_OVER,
)


@page(Subscription)
class SubscriptionAdmin(VerbsAdmin, ScopedAdmin):
    form = SubscriptionForm
    verbs = (PAUSE, RESUME, SEND_TEST, TAKE_OVER)
    list_display = (
        "name",
        "state_display",
        "types_display",
        "stores_display",
        "host",
        short_instant_column(Subscription, "created_at"),
    )
    list_filter = (choice_filter(_("state"), "state", SubscriptionState),)
    search_fields = ("name", "url")
    ordering = ("name", "pk")
    list_per_page = 50
    autocomplete_fields = ("stores",)
    given_fields = SubscriptionForm.Meta.fields
    shown_fields = (
        "state_in_full",
        "waiting",
        instant_column(Subscription, "created_at"),
        "made_by",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The user's subscriptions, without their secrets: no page shows them."""
        seen = super().get_queryset(request).defer("secrets").select_related("created_by")
        return seen.prefetch_related("stores", "subscribed_types")

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # Only who sees every store may have the events of every store sent.
        chain = sees_every_store(request.user)
        given = tuple(name for name in self.given_fields if chain or name != "every_store")
        if obj is not None and not self.has_change_permission(request, obj):
            given = tuple("types_in_full" if name == "types" else name for name in given)
        fieldsets: list[Any] = [section(None, *given)]
        return fieldsets if obj is None else [*fieldsets, section(_("Course"), *self.shown_fields)]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else (*self.shown_fields, "types_in_full")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only the user's own stores can be chosen."""
        if db_field.name == "stores":
            kwargs["queryset"] = Store.objects.for_user(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            save_edited(obj, form)
            return
        obj.created_by = request.user
        super().save_model(request, obj, form, change)

    @sensitive_variables("text")
    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        """Save the stores and the types; a new subscription gets its secret."""
        super().save_related(request, form, formsets, change)
        form.instance.subscribe(form.cleaned_data["types"])
        if not change:
            text = rotate_secret(form.instance, now=database_clock())
            request.new_secret = text

    def response_add(self, request: HttpRequest, obj: Any, *args: Any, **kw: Any) -> HttpResponse:
        """The secret, which is shown this once."""
        return self._shown_once(request, obj, request.new_secret)  # type: ignore[attr-defined]

    # The secret

    def may_rotate(self, request: HttpRequest) -> bool:
        """Whether this user may give the subscriptions that they see a new secret."""
        return request.user.has_perm("neural_hooks.rotate_subscription")

    @address("<path:object_id>/rotate/", "_rotate")
    @sensitive_variables("text")
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what a new secret means; when that is confirmed, make it and show it."""
        subscription = self.row_or_404(request, object_id)
        if not self.may_rotate(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, subscription, "rotate", _("New secret"))
        with transaction.atomic():
            text = rotate_secret(subscription, now=database_clock())
            log_changes(user=request.user, rows=[subscription], change=ROTATED, action="rotate")
        return self._shown_once(request, subscription, text)

    @sensitive_variables("text")
    def _shown_once(
        self, request: HttpRequest, subscription: Subscription, text: str
    ) -> HttpResponse:
        title = _("The secret is shown this once")
        response = self._page(request, subscription, "shown_once", title, text=text)
        response["Cache-Control"] = "no-store"
        return response

    def _page(
        self, request: HttpRequest, subscription: Subscription, name: str, title: Any, **more: Any
    ) -> TemplateResponse:
        return self.own_page(
            request,
            f"admin/neural_hooks/subscription/{name}.html",
            title=title,
            subscription=subscription,
            address=page_address(subscription),
            hours=OVERLAP.total_seconds() / 3600,
            **more,
        )

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        may_see = request.user.has_perm("neural_hooks.view_delivery")
        return super().row_context(request, row) | {
            "can_rotate": self.may_rotate(request),
            "deliveries_address": deliveries_of(row) if may_see else "",
        }

    # Columns

    @admin.display(description=_("state"))
    def state_display(self, subscription: Subscription) -> SafeString:
        if subscription.state == SubscriptionState.PAUSED:
            by_us = subscription.paused_reason != PauseReason.BY_HAND
            return badge("dead" if by_us else "discarded", subscription.get_state_display())
        if subscription.failures >= FAILURES:
            return badge("unhandled", gettext("failing"))
        return badge("succeeded", subscription.get_state_display())

    @admin.display(description=_("state"))
    def state_in_full(self, subscription: Subscription) -> SafeString:
        """The state, with why and since when."""
        visible = self.state_display(subscription)
        if subscription.state == SubscriptionState.PAUSED:
            why = subscription.get_paused_reason_display()
            return format_html("{} {} · {}", visible, why, instant(subscription.paused_at))
        if not subscription.failures:
            return visible
        text = ngettext(
            "%(count)d failure in a row", "%(count)d failures in a row", subscription.failures
        )
        return format_html(
            "{} {} · {}",
            visible,
            text % {"count": subscription.failures},
            instant(subscription.failing_since),
        )

    @admin.display(description=_("created by"))
    def made_by(self, subscription: Subscription) -> SafeString | str:
        """Who answers for it, and whether that person may no longer see all that it sends."""
        visible = str(subscription.created_by or NOTHING)
        if not is_beyond_its_maker(subscription):
            return visible
        return format_html(
            "{} {}", visible, badge("unhandled", gettext("may no longer see all of its stores"))
        )

    @admin.display(description=_("waiting deliveries"))
    def waiting(self, subscription: Subscription) -> str:
        mine = Delivery.objects.filter(subscription=subscription)
        found = sum(each[:COUNTED].count() for each in (mine.unrequested(), mine.requested()))
        return f"{COUNTED:,}+" if found >= COUNTED else f"{found:,}"

    types_display = computed_column(_("types"), lambda subscription: _shortened(subscription.types))

    @admin.display(description=_("types"))
    def types_in_full(self, subscription: Subscription) -> SafeString | str:
        return format_html_join(", ", "<code>{}</code>", ((each,) for each in subscription.types))

    @admin.display(description=_("stores"))
    def stores_display(self, subscription: Subscription) -> str:
        if subscription.every_store:
            return gettext("every store")
        return _shortened([store.pk for store in subscription.stores.all()])

    @admin.display(description=_("receiver"))
    def host(self, subscription: Subscription) -> str:
        """The host of the address: the rest may have a token of the receiver's in it."""
        return urlsplit(subscription.url).netloc or NOTHING


def deliveries_of(subscription: Subscription) -> str:
    """The address of the list of a subscription's deliveries."""
    address = address_in_admin("neural_hooks_delivery_changelist")
    return f"{address}?subscription={subscription.pk}"


def _shortened(names: list[str]) -> str:
    first, more = ", ".join(names[:MOST_NAMED]), len(names) - MOST_NAMED
    return f"{first} +{more}" if more > 0 else first or NOTHING


register_titles_of_rows(Subscription, [("rotate", _("New secret"))])
