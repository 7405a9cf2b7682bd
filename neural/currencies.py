"""How many decimals a currency has (ISO 4217), and how its amounts are rounded. Pure."""

from decimal import ROUND_HALF_UP, Decimal

ORDINARY = 2
DIGITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"),
        0,
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def digits_of(currency: str) -> int:
    """Decimals of a currency; two for one that is not known."""
    return DIGITS.get(currency, ORDINARY)


def rounded_to(value: Decimal, digits: int) -> Decimal:
    """The value rounded half up, as on a bill."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
