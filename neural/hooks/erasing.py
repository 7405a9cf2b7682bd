"""What erases a person from pushes that wait for a store, and from webhooks that were sent."""

from neural.hooks.models import Delivery, UnroutedPush
from neural.personal.erasing.tables import Erasable, register_erasable

TABLES = (
    Erasable(
        name="unrouted pushes",
        model=UnroutedPush,
        fields=("payload", "reason"),
        store="store_code",
    ),
    Erasable(name="webhook deliveries", model=Delivery, fields=("payload", "answer")),
)


def connect() -> None:
    """Register the tables."""
    for each in TABLES:
        register_erasable(each)
