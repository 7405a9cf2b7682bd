"""The admin's pages of deliveries: what was sent, what the receiver answered, and *Send again*."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    code,
    code_block,
    computed_column,
    instant_column,
    link,
    link_column,
    link_to_run,
    one_line,
    short_instant_column,
    state_and_attempts,
    state_column,
    store_code_column,
)
from neural.admin.filters import NamedRowFilter, StoreFilter, choice_filter
from neural.admin.pages import page
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import HistoryAdmin, section
from neural.events.types import event_types
from neural.hooks.models import Delivery, DeliveryState, Subscription
from neural.hooks.models.outgoing import TEST_TYPE
from neural.hooks.outgoing.messages import PayloadPruned, body_of
from neural.hooks.outgoing.subscribed import OUTCOMES
from neural.kit.keyset.planning import WholeNumbers, by_store
from neural.kit.keyset.walks import Walk
from neural.kit.stored_json import is_deeper
from neural.models import NeuralEvent
from neural.personal.redacting import shown as as_allowed

SENT_AGAIN = gettext_noop("state: pending (send again)")
DEEPEST = 100
SHOWN_CHARACTERS = 20_000
LISTED = 25
UNDELIVERED = (DeliveryState.PENDING, DeliveryState.FAILED)
COLOURS: dict[str, str] = {
    DeliveryState.PENDING: "pending",
    DeliveryState.DELIVERED: "succeeded",
    DeliveryState.FAILED: "failed",
}

SEND_AGAIN = Verb(
    name="send_again",
    label=_("Send again"),
    explanation=_("Send again: the same messages with the same ids, at once"),
    permission="neural_hooks.send_subscription",
    apply=lambda delivery, user: delivery.send_again(),
    fits=lambda delivery: True,
    change=lambda delivery: SENT_AGAIN,
)


def _types() -> list[tuple[str, str]]:
    names = sorted([*(each.name for each in event_types()), *OUTCOMES, TEST_TYPE])
    return [(name, name) for name in names]


DeliveryTypeFilter = choice_filter(_("type"), "type", _types)


class SubscriptionFilter(NamedRowFilter):
    title = _("subscription")
    parameter_name = "subscription"

    def rows(self, request: HttpRequest) -> QuerySet:
        return Subscription.objects.for_user(request.user)


@page(Delivery)
class DeliveryAdmin(VerbsAdmin, HistoryAdmin):
    verbs = (SEND_AGAIN,)
    list_display = (
        "type_display",
        "state_and_answer",
        link_column(Delivery, "subscription"),
        store_code_column(Delivery),
        "about",
        short_instant_column(Delivery, "created_at"),
    )
    list_filter = (
        choice_filter(_("state"), "state", DeliveryState),
        SubscriptionFilter,
        DeliveryTypeFilter,
        StoreFilter,
    )
    from_outside = ("payload",)
    walks = (
        Walk(
            parameter="state",
            column="state",
            values=UNDELIVERED,
            condition=~Q(state=DeliveryState.DELIVERED),
        ),
        Walk(parameter="subscription", column="subscription", values=WholeNumbers()),
        by_store(condition=Q(store__isnull=False)),
        Walk(parameter="type", column="type"),
    )
    search_keys = ("event__event_id", "store")
    search_help_text = _("A whole message id, event id or store code.")
    fieldsets = (
        section(
            None,
            ("type_display", "state_badge"),
            "message_id_display",
            link_column(Delivery, "subscription"),
            link_column(Delivery, "store"),
            link_column(Delivery, "event"),
            link_column(Delivery, "run"),
            "sending_run",
        ),
        section(
            _("Answer"),
            ("attempts", "answer_status"),
            (
                instant_column(Delivery, "created_at"),
                instant_column(Delivery, "attempted_at"),
            ),
            (
                instant_column(Delivery, "delivered_at"),
                instant_column(Delivery, "failing_since"),
            ),
            "answer_display",
        ),
        section(_("What is sent"), "body"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Load what the links of a row need: no secret, and no payload of an event."""
        rows = super().get_queryset(request)
        rows = rows.select_related("subscription", "store", "event", "run")
        return rows.defer(
            *self.from_outside,
            "subscription__secrets",
            "event__payload",
            "run__args",
            "run__kwargs",
            "run__result",
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find one by the id that its receiver saw; else search by a key."""
        name, _, number = search_term.strip().removeprefix("msg_").partition("_")
        if search_term.strip().startswith("msg_") and number in WholeNumbers():
            request.searched = "few"  # type: ignore[attr-defined]
            return queryset.filter(pk=int(number), subscription__key=name), False
        return super().get_search_results(request, queryset, search_term)

    # Columns

    type_display = computed_column(_("type"), str, "type")
    state_badge = state_column(_("state"), COLOURS)

    @admin.display(description=_("state"))
    def state_and_answer(self, delivery: Delivery) -> SafeString:
        """The state, with the last answer below it unless it was delivered at once."""
        visible = state_and_attempts(COLOURS, delivery)
        if delivery.state == DeliveryState.DELIVERED or not delivery.attempts:
            return visible
        status = f"HTTP {delivery.answer_status}" if delivery.answer_status else delivery.answer
        return format_html(
            '{}<br><small class="neural-error">{}</small>', visible, one_line(status)
        )

    @admin.display(description=_("event"))
    def about(self, delivery: Delivery) -> SafeString | str:
        event = delivery.event
        return link(event, one_line(event.event_id)) if event else NOTHING

    message_id_display = computed_column(_("message id"), code, "message_id")
    sending_run = computed_column(_("run that sends it"), link_to_run, "task_id")

    @admin.display(description=_("answer"))
    def answer_display(self, delivery: Delivery) -> SafeString | str:
        if not delivery.answer:
            return NOTHING
        return format_html('<pre class="neural-code">{}</pre>', delivery.answer)

    @admin.display(description=_("body"))
    def body(self, delivery: Delivery) -> SafeString | str:
        """The body as it is sent, indented unless it is nested too deep."""
        try:
            text = body_of(delivery).decode()
        except PayloadPruned as error:
            return str(error)
        if not is_deeper(text, DEEPEST):
            text = json.dumps(as_allowed(json.loads(text)), indent=2, ensure_ascii=False)
        return code_block(text[:SHOWN_CHARACTERS])


# On the page of an event


def _deliveries_of(request: HttpRequest, event: Any) -> dict[str, Any] | None:
    if not request.user.has_perm("neural_hooks.view_delivery"):
        return None
    rows = Delivery.objects.for_user(request.user).filter(event=event)
    rows = rows.select_related("subscription").defer("payload", "subscription__secrets")
    found = list(rows.order_by("pk")[:LISTED])
    visible = [
        {
            "link": link(each, each.type),
            "subscription": link(each.subscription),
            "state": badge(COLOURS[each.state], each.get_state_display()),
            "delivery": each,
        }
        for each in found
    ]
    return {"deliveries": visible} if visible else None


register_panel(
    Panel(
        name="webhook-deliveries",
        model=NeuralEvent,
        title=_("Webhooks"),
        template="neural_hooks/event_deliveries.html",
        context=_deliveries_of,
    )
)
