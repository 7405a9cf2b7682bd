"""Which order an event is about."""

import datetime as dt

from neural.models import NeuralEvent
from neural.restaurant.keys import order_key
from neural.restaurant.schemas.tills import OfTill


def key_of(
    event: NeuralEvent,
    data: OfTill,
    *,
    order_id: str = "",
    placed_at: dt.datetime | None = None,
    business_day: dt.date | None = None,
) -> str:
    """The key of the order that an event is about, or of another one (``order_id``) of the same
    till and day.

    An event that names neither till nor day belongs to its stated ``business_day``, else to that of
    ``placed_at``, else of its own time, in a store whose tickets begin again daily.
    """
    day = data.day
    if not (data.till or day):
        day = ticket_day(event, placed_at, business_day)
    return order_key(order_id=order_id or data.order_id, till=data.till, day=day)  # type: ignore[attr-defined]


def ticket_day(
    event: NeuralEvent,
    placed_at: dt.datetime | None = None,
    business_day: dt.date | None = None,
) -> dt.date | None:
    """The business day of a number that begins again daily; None in a store whose numbers do not,
    and for a day before they did."""
    since = event.store.daily_tickets_since
    if since is None:
        return None
    day = business_day or event.store.business_day(placed_at or event.occurred_at)
    return day if day >= since else None
