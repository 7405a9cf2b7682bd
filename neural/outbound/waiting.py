"""How long a server asks us to wait before the next request."""

import datetime as dt
import email.utils

from neural.outbound.client import HttpAnswer

LONGEST_WAIT = dt.timedelta(days=1)
"""The most that a server may ask for."""


def retry_after(answer: HttpAnswer, *, now: dt.datetime) -> dt.timedelta | None:
    """What the header Retry-After asks for (RFC 9110, 10.2.3: seconds or a date); None if it asks
    for nothing, or cannot be read."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        seconds = float(given[:9])
    else:
        try:
            seconds = (email.utils.parsedate_to_datetime(given) - now).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    wait = dt.timedelta(seconds=seconds)
    return min(wait, LONGEST_WAIT) if seconds > 0 else None
