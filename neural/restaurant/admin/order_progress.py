"""An order's life as its page shows it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from neural.personal.redacting import shown
from neural.restaurant.models import Order, OrderStatus
from neural.restaurant.models.order_status import DeliveryStatus


@dataclass(frozen=True)
class Moment:
    """One point of an order's life."""

    at: dt.datetime
    status: str
    label: str
    by: str = ""
    reason: str = ""


def progress(order: Order) -> Sequence[Moment]:
    """The order's life as far as it is known: when it was placed, and each status."""
    labels = dict(OrderStatus.choices)
    found = [
        Moment(
            dt.datetime.fromisoformat(step["at"]),
            step["status"],
            str(labels.get(step["status"], step["status"])),
            step["by"],
            step["reason"],
        )
        for step in order.progress
    ]
    if order.placed_at:
        found.append(Moment(order.placed_at, "placed", _("placed")))
    return sorted(found, key=lambda moment: (moment.at, moment.status != "placed"))


def delivery_steps(order: Order) -> Sequence[Moment]:
    """The order's way to the guest: each status of the delivery, and its courier."""
    labels = dict(DeliveryStatus.choices)
    return [
        Moment(
            dt.datetime.fromisoformat(step["at"]),
            step["status"],
            str(labels[step["status"]]),
            by=shown(step["courier"], key="courier"),
        )
        for step in (order.delivered.steps if order.delivered else ())
    ]
