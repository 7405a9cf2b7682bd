"""The handler of closed business days."""

from django.utils.translation import gettext_lazy as _

from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.models import DayClose
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import DayClosed


@handles("day.closed", title=_("Record the close of a day"))
def record_day_close(event: NeuralEvent, data: DayClosed) -> None:
    """Save what a till states of a business day in a currency, unless a newer statement of it is
    known. It changes no order and no payment."""
    DayClose.objects.upsert_if_newer(
        key={
            "store": event.store,
            "business_day": data.business_day,
            "till": data.till,
            "currency": data.currency,
        },
        version=version_of(event),
        values={
            "orders": data.orders,
            "guests": data.guests,
            "first_ticket": data.first_ticket,
            "last_ticket": data.last_ticket,
            "sums": {name: str(amount) for name, amount in data.sums.items()},
            "tenders": {name: str(amount) for name, amount in data.tenders.items()},
        },
    )
