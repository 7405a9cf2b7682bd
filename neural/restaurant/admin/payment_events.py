"""The section on a payment's page: the events about it, with their runs."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.panels import Panel, register_panel
from neural.restaurant.admin.event_runs import runs_by_event
from neural.restaurant.admin.order_events import MOST_NEAR, OrderEvent, events_of
from neural.restaurant.models import Payment, PaymentKind
from neural.restaurant.models.newest import event_of

_TYPES = {
    PaymentKind.PAYMENT: ("payment.completed", "payment.stated"),
    PaymentKind.REFUND: ("payment.refunded", "refund.stated"),
}


def _context(request: HttpRequest, payment: Payment) -> Mapping[str, Any] | None:
    if not request.user.has_perm("neural.view_neuralevent"):
        return None
    found = [each for each in events_of(payment.order, [payment]) if _is_about(each, payment)]
    runs = runs_by_event((each.event for each in found), request.user)
    return {
        "events": [(each, runs.get(each.event.pk, ())) for each in found],
        "most_near": MOST_NEAR,
    }


def _is_about(found: OrderEvent, payment: Payment) -> bool:
    """The event that the payment is taken from, and others that state a payment of its name."""
    if (found.event.event_id, found.event.source) == event_of(bytes(payment.version)):
        return True
    types = _TYPES[PaymentKind(payment.kind)]
    return found.event.type in types and payment.reference in found.names


register_panel(
    Panel(
        name="events",
        model=Payment,
        title=_("Events"),
        template="neural_restaurant/payment_events.html",
        context=_context,
    )
)
