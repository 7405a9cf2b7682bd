"""Readers of the values of parameters: each returns the value, or says why it is none."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

LONGEST_TEXT = 500
GREATEST = 2**63
ROOM = dt.timedelta(days=2)
"""A time has so much room to the first and the last that there are: readers' zones and margins move
it."""


def read_text(value: str) -> str:
    """A text as it stands. Raises ``ValueError`` if it is too long for any row, or has a NUL."""
    if len(value) > LONGEST_TEXT:
        raise ValueError(
            _("The text has %(length)d characters; at most %(most)d are searched for.")
            % {"length": len(value), "most": LONGEST_TEXT}
        )
    if "\0" in value:
        raise ValueError(_("The text contains a NUL character, which no row has."))
    return value


def read_number(value: str) -> int | None:
    """A whole number, or None for an empty text."""
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) < GREATEST):
        raise ValueError(_("“%(value)s” is not a whole number.") % {"value": value})
    return int(value)


def read_few(value: str) -> int | None:
    """A number of attempts."""
    number = read_number(value)
    if number is not None and number > MOST_TRIES:
        raise ValueError(
            _("“%(value)s”: no run is tried more than %(most)d times.")
            % {"value": value, "most": MOST_TRIES}
        )
    return number


MOST_TRIES = 60_000
"""Less than the greatest number of failures and losses together that a row has room for."""


def read_moment(value: str) -> dt.datetime | None:
    """A time in ISO 8601; without a zone it is in the reader's."""
    if not value:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
        found = found if found.tzinfo else timezone.make_aware(found)
        for room in (-ROOM, ROOM):
            (found + room).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            _("“%(value)s” is not a time like 2026-01-31T08:00 or 2026-01-31T08:00+08:00.")
            % {"value": value}
        ) from None
    return found


def one_of(*values: str) -> Callable[[str], str]:
    """A reader of one of these values, or nothing."""

    def read(value: str) -> str:
        if value and value not in values:
            raise ValueError(
                _("“%(value)s” is none of: %(values)s.")
                % {"value": value, "values": ", ".join(values)}
            )
        return value

    return read


Reader = Callable[[str], Any]
