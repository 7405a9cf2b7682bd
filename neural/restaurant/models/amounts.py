"""Columns for money and quantities. Three decimals suffice for any currency and for grams in
kilos."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import models

DECIMAL_PLACES = 3
AMOUNT_DIGITS = 12
"""For one price, quantity or payment: below a thousand million."""
TOTAL_DIGITS = 18
"""For sums of a million such amounts."""

_SMALLEST = Decimal(1).scaleb(-DECIMAL_PLACES)


def rounded(value: Decimal) -> Decimal:
    """The value rounded to the decimals of the columns, half up as on a bill."""
    return value.quantize(_SMALLEST, rounding=ROUND_HALF_UP)


def amount_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=AMOUNT_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )


def total_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=TOTAL_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )
