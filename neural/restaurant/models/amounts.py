"""Columns for money, quantities and texts, and how many decimals a currency has (ISO 4217). Three
decimals suffice for any currency; a quantity has six, for milligrams in kilos."""

from typing import Any

from django.db import models

from neural.kit.currencies import AMOUNT_PLACES as DECIMAL_PLACES
from neural.kit.currencies import QUANTITY_PLACES as QUANTITY_PLACES
from neural.kit.currencies import digits_of as _digits_of
from neural.kit.currencies import rounded as rounded

AMOUNT_DIGITS = 12
"""For one price or payment: below a thousand million."""
QUANTITY_DIGITS = AMOUNT_DIGITS - DECIMAL_PLACES + QUANTITY_PLACES
TOTAL_DIGITS = 18
"""For sums of a million such amounts."""


def text_field(label: Any, length: int = 100, **options: Any) -> models.CharField:
    """A text that need not be stated: empty then, by the database's default too."""
    return models.CharField(
        label, max_length=length, blank=True, default="", db_default="", **options
    )


def amount_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=AMOUNT_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )


class QuantityField(models.DecimalField):
    """A quantity. PostgreSQL keeps its digits as they are written, so that this column could be
    widened, and can be again, without rewriting its table."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options |= {"max_digits": QUANTITY_DIGITS, "decimal_places": QUANTITY_PLACES}
        super().__init__(*args, **options)

    def get_internal_type(self) -> str:
        return "DecimalField"

    def db_type(self, connection: Any) -> str | None:
        found = super().db_type(connection)
        return found and found.split("(")[0]


def total_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=TOTAL_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )


def digits_of(currency: str) -> int:
    """Decimals of this currency; those of the columns if it is not stated."""
    return _digits_of(currency) if currency else DECIMAL_PLACES
