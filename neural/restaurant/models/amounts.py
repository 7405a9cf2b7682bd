"""Columns for money, quantities and texts, and how many decimals a currency has (ISO 4217). Three
decimals suffice for any currency and for grams in kilos."""

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


def text_field(label: Any, length: int = 100, **options: Any) -> models.CharField:
    """A text that need not be stated: empty then, by the database's default too."""
    return models.CharField(
        label, max_length=length, blank=True, default="", db_default="", **options
    )


def amount_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=AMOUNT_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )


def total_field(label: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(
        label, max_digits=TOTAL_DIGITS, decimal_places=DECIMAL_PLACES, **options
    )


_ORDINARY = 2
_DIGITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"),
        0,
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def digits_of(currency: str) -> int:
    """Decimals of this currency; those of the columns if it is not stated."""
    return _DIGITS.get(currency, _ORDINARY) if currency else DECIMAL_PLACES


def rounded_to(value: Decimal, digits: int) -> Decimal:
    """The value rounded half up, as on a bill."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
