"""Which order and which day an event is about."""

import datetime as dt

from neural.models import NeuralEvent
from neural.restaurant.keys import order_key
from neural.restaurant.schemas import OrderStated
from neural.restaurant.schemas.tills import OfTill


def key_of(event: NeuralEvent, data: OfTill, *, order_id: str = "") -> str:
    """The key of the order that an event is about, or of another one (``order_id``) of the same
    till and day."""
    return order_key(
        order_id=order_id or data.order_id,  # type: ignore[attr-defined]
        till=data.till,
        day=ticket_day(event, data),
    )


NOW = dt.timedelta(seconds=5)


def states_no_time(event: NeuralEvent) -> bool:
    """Whether an event occurred when it was recorded: a till that states no time says no more."""
    return abs(event.recorded_at - event.occurred_at) <= NOW


def ticket_day(event: NeuralEvent, data: OfTill) -> dt.date | None:
    """The business day in the keys of an event's order and payment; None if they have none.

    An event that names neither till nor day belongs, in a store whose tickets begin again daily, to
    the ``business_day`` that an order states, else to that of its ``placed_at``, else of the
    event's own time.
    """
    since = event.store.daily_tickets_since
    if data.day or data.till or since is None:
        return data.day
    day, placed_at = None, None
    if isinstance(data, OrderStated):
        day, placed_at = data.business_day, data.placed_at
    day = day or event.store.business_day(placed_at or event.occurred_at)
    return day if day >= since else None
