"""Keys of orders and payments, made from their events alone, so that no order of arrival matters.

- An event that names neither till nor day: ``order_id`` as it is.
- An id that is unique for ever: ``/till/order_id``.
- A number that begins again every business day: ``/till/day/order_id``. The till is empty for an
  event that names neither till nor day, in a store whose tickets begin again daily: its day is the
  business day on which the order was placed, or else on which the event occurred.

A slash or percent sign inside a part of a key is written as in a URL, so two different orders never
have one key. A plain id is written so only if it begins with one of these signs, as it could look
like another kind of key. Where a key would be too long, a hash stands for the end of its long
parts. Pure.
"""

import datetime as dt
import hashlib
from contextlib import suppress
from urllib.parse import unquote

KEY_LENGTH = 200
LONGEST_CUT_PART = 60
"""A part of a key that would be too long is cut to this, so that it fits the columns of tills and
numbers too."""

_CUT = "%~"
# In a part that is not cut, a percent sign is followed by 25 or 2F.
_SIGNS = ("/", "%")


def order_key(*, order_id: str, till: str = "", day: dt.date | None = None) -> str:
    """The key of an order within its store."""
    if day is not None:
        return _joined(till, day.isoformat(), order_id)
    return _joined(till, order_id) if till else plain_key(order_id)


def payment_key(*, payment_id: str, order: str, till: str = "", day: dt.date | None = None) -> str:
    """The key of a payment or refund within its store: of a day if its order's key (``order``) is
    one of a day."""
    if day is not None:
        return _cut(f"{order}/{quoted(payment_id)}", KEY_LENGTH)
    return _joined(till, payment_id) if till else plain_key(payment_id)


def plain_key(name: str) -> str:
    """The key of an order or payment of which only the id is stated: the id, unless it begins with
    a slash or a percent sign."""
    if not name.startswith(_SIGNS):
        return name
    key = quoted(name)
    return key if len(key) <= KEY_LENGTH else _cut(key, LONGEST_CUT_PART)


def is_plain(key: str) -> bool:
    """Whether a key names neither till nor day."""
    return not key.startswith("/")


def number_of(key: str) -> str:
    """The number or id in an order's key, as a till shows it."""
    if is_plain(key):
        return unquote(key) if key.startswith("%") else key
    return unquote(key.rpartition("/")[2])


def till_of(key: str) -> str:
    """The till in an order's key; empty if it names none."""
    return "" if is_plain(key) else unquote(key.split("/")[1])


def day_of(key: str) -> dt.date | None:
    """The business day in an order's key; None if it has none."""
    parts = key.split("/")
    if is_plain(key) or len(parts) != 4:
        return None
    # A key that was not made here may begin with a slash, too.
    with suppress(ValueError):
        return dt.date.fromisoformat(parts[2])
    return None


def _joined(*parts: str) -> str:
    own = [quoted(part) for part in parts]
    key = "".join(f"/{part}" for part in own)
    if len(key) <= KEY_LENGTH:
        return key
    return "".join(f"/{_cut(part, LONGEST_CUT_PART)}" for part in own)


def quoted(part: str) -> str:
    """A part as keys have it."""
    return part.replace("%", "%25").replace("/", "%2F")


def _cut(text: str, most: int) -> str:
    """The text, with a hash in place of its end if it is longer than ``most``."""
    if len(text) <= most:
        return text
    end = _CUT + hashlib.sha256(text.encode()).hexdigest()[:32]
    return text[: most - len(end)] + end
