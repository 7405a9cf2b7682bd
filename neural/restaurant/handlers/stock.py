"""Stock levels, and which items are low."""

from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.models import StockLevel
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import LowStockPayload, StockPayload


@handles("inventory.low", "inventory.updated")
def record_stock(event: NeuralEvent, data: StockPayload) -> None:
    """Take an item's level and threshold, each unless a newer one is known."""
    level = StockLevel.objects.locked(store=event.store, item=data.item)
    level.report(
        version=version_of(event),
        level=data.level,
        unit=data.unit,
        threshold=data.threshold,
        low=isinstance(data, LowStockPayload),
    )
