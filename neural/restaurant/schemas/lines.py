"""The bases of all that names a dish, and of lines."""

from typing import Self

from pydantic import model_validator

from neural.events.schema import Payload
from neural.restaurant.schemas.fields import Name, OptionalCode, Quantity


class OfDish(Payload):
    """Names a dish. A dish without a code is identified by its name."""

    dish: OptionalCode = ""
    name: Name = ""

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if not (self.dish or self.name):
            raise ValueError("names no dish: give 'dish' or 'name'")
        return self

    @property
    def dish_code(self) -> str:
        return self.dish or self.name


class Line(OfDish):
    """One dish of an order or of a day."""

    quantity: Quantity
