"""Dishes: stated whole."""

from neural.events.changes import mark_for_search
from neural.events.registry import handles
from neural.models import NeuralEvent
from neural.restaurant.models import Dish
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import DishPayload


@handles("dish.updated")
def record_dish(event: NeuralEvent, data: DishPayload) -> None:
    """Take a dish as it stands, unless a newer statement of it is known."""
    is_news = Dish.objects.put(
        key={"store": event.store, "code": data.dish},
        version=version_of(event),
        values={
            "name": data.name,
            "category": data.category,
            "price": data.price,
            "currency": data.currency,
            "available": data.available,
            "details": data.model_extra or {},
        },
    )
    if is_news:
        mark_for_search(collection="dishes", store=event.store_id, ids=[data.dish])
