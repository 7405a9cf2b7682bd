"""How many decimals a currency has (ISO 4217), and how its amounts are rounded. Pure."""

from decimal import ROUND_HALF_UP, Decimal

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
DIGITS = dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)
AMOUNT_PLACES, QUANTITY_PLACES = 3, 6
"""Decimals of every amount that is kept, which suffice for any currency, and of every quantity."""


def digits_of(currency: str) -> int:
    """Decimals of a currency; two for one that is not known."""
    return DIGITS.get(currency, 2)


def rounded(value: Decimal, digits: int = AMOUNT_PLACES) -> Decimal:
    """The value rounded half up, as on a bill; by default to the places of an amount."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
