"""The handler of dishes that are sold out, and of those that are available again."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.models import Availability
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import ItemAvailable, ItemSoldOut


@handles("item.sold_out", "item.available", batch=True, title=_("Record sold-out dishes"))
def record_availability(received: Sequence[Received[ItemSoldOut | ItemAvailable]]) -> None:
    """Save the reports, each as a row of its own."""
    Availability.objects.take([_report(event, data) for event, data in received])


def _report(event: NeuralEvent, data: ItemSoldOut | ItemAvailable) -> Availability:
    until = data.until if isinstance(data, ItemSoldOut) else None
    return Availability(
        store=event.store,
        dish=data.dish_code,
        name=data.name,
        at=event.occurred_at,
        sold_out=isinstance(data, ItemSoldOut),
        until=event.store.localize(until) if until else None,
        reason=data.reason,
        till=data.till,
        version=version_of(event),
    )
