"""What the page of an order shows below its facts."""

from typing import Any

from neural.restaurant.admin.order_events import MOST_NEAR, events_of
from neural.restaurant.admin.order_progress import delivery_steps, progress
from neural.restaurant.admin.order_sums import difference_said, owed, payout, payout_said, sold
from neural.restaurant.admin.receipt import bill_rows, newest_payments, receipt_of
from neural.restaurant.models import Order


def order_page(order: Order, user: Any) -> dict[str, Any]:
    """The context of the template: payments and events only for who may see these."""
    payments = newest_payments(order)
    sees_payments = user.has_perm("neural_restaurant.view_payment")
    sees_events = user.has_perm("neural.view_neuralevent")
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
        "events": events_of(order, payments) if sees_events else None,
        "most_near": MOST_NEAR,
    }
