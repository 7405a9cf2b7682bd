"""How many decimals a currency has (ISO 4217). Pure."""

from decimal import ROUND_HALF_UP, Decimal

from neural.restaurant.models.amounts import DECIMAL_PLACES

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
