"""Amounts, times, versions and hashes as platforms write them. Imports no Django."""

import datetime as dt
import hashlib
import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any

from neural.kit.currencies import AMOUNT_PLACES as PLACES
from neural.kit.currencies import QUANTITY_PLACES as QUANTITY_PLACES
from neural.kit.currencies import digits_of as digits_of
from neural.kit.currencies import rounded as rounded

LARGEST = Decimal(10) ** 9
"""An amount of the normal form is smaller than this."""
EARLIEST_YEAR, LATEST_YEAR = 1970, 2200

_FIRST_MILLISECONDS = 10**11
"""Seconds reach this in the year 5138, milliseconds reached it in 1973."""


def exact(value: Any) -> Decimal | None:
    """A number of JSON, or one written as text, as it was written; None if it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        # Before the noise: 0.1 + 0.2 has a digit at the 17th place.
        number = Decimal(repr(round(value, 9))) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    is_one = number.is_finite() and -LARGEST * LARGEST < number < LARGEST * LARGEST
    return number if is_one else None  # compared as it is: abs() of 1e9999999 overflows


def major(value: Any, places: int = PLACES) -> Decimal | None:
    """An amount in major units (yuan, dollars), with at most three places; None if it is none."""
    number = exact(value)
    return _bounded(rounded(number, places)) if number is not None else None


def minor(value: Any, digits: int) -> Decimal | None:
    """An amount in the smallest unit of a currency with so many digits (fen, cents), in major
    units; None if it is none. A fraction of the smallest unit is kept, as its order is marked."""
    number = exact(value)
    if number is None or not 0 <= digits <= PLACES:
        return None
    return _bounded(rounded(number.scaleb(-digits)))


def _bounded(number: Decimal) -> Decimal | None:
    return number if abs(number) < LARGEST else None


def written(number: Decimal) -> str:
    """A number in plain digits. 17, 17.0 and 17.000 are written the same, so that the same amount
    has the same hash."""
    return format(number.normalize() + 0, "f")


def piece_price(gross: Decimal, quantity: Decimal) -> Decimal:
    """The price of a piece, of which a platform states what all cost: for people to read. What the
    line costs is stated beside it, because 10 for 3 pieces has no price of three places."""
    return rounded(gross / quantity) if quantity else gross


def from_epoch(value: Any) -> dt.datetime | None:
    """A time in seconds or milliseconds since 1970; None if it is none."""
    number = exact(value)
    if number is None:
        return None
    seconds = number / 1000 if number >= _FIRST_MILLISECONDS else number
    try:
        moment = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=float(seconds))
    except (OverflowError, ValueError):
        return None
    return in_our_time(moment)


def from_iso(value: Any) -> dt.datetime | None:
    """A time like 2024-04-01T15:09:30.223+0000, with or without a zone; None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        return in_our_time(dt.datetime.fromisoformat(value.strip()))
    except ValueError:
        return None


def in_our_time(moment: dt.datetime) -> dt.datetime | None:
    """The time, or None if the normal form refuses it."""
    offset = moment.utcoffset()
    if offset is not None and abs(offset) > dt.timedelta(hours=15, minutes=59, seconds=59):
        return None
    return moment if EARLIEST_YEAR <= moment.year < LATEST_YEAR else None


def padded(number: int, width: int = 10) -> str:
    """A version that has the same order as text."""
    return f"{number:0{width}d}"


def digest(value: Any) -> str:
    """64 bits of a hash of JSON, in hex."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
