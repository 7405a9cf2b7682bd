"""What the page of an order shows below its facts."""

from typing import Any

from neural.restaurant.admin.event_runs import runs_by_event
from neural.restaurant.admin.order_events import MOST_NEAR, events_of
from neural.restaurant.admin.order_progress import delivery_steps, progress
from neural.restaurant.admin.order_sums import difference_said, owed, payout, payout_said, sold
from neural.restaurant.admin.receipt import bill_rows, newest_payments, receipt_of
from neural.restaurant.models import Order


def order_page(order: Order, user: Any) -> dict[str, Any]:
    """The context of the template: payments and events only for who may see these."""
    payments = newest_payments(order)
    sees_payments = user.has_perm("neural_restaurant.view_payment")
    events = events_of(order, payments) if user.has_perm("neural.view_neuralevent") else None
    runs = runs_by_event((each.event for each in events or ()), user)
    return {
        "receipt": receipt_of(order, payments if sees_payments else None),
        "bill": bill_rows(order),
        "difference": difference_said(order),
        "owed": owed(order),
        "sold": sold(order),
        "payout": payout(order),
        "payout_said": payout_said(order),
        "progress": progress(order),
        "delivery": order.delivered,
        "delivery_steps": delivery_steps(order),
        "events": events and [(each, runs.get(each.event.pk, ())) for each in events],
        "most_near": MOST_NEAR,
    }
