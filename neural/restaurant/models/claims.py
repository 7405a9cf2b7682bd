"""What the statements of an order say of where and when it was placed, to see that one number was
given to two orders. Pure.

A claim is a dict: ``about`` (``source`` or ``placed_at``), ``says``, and the newest event that says
it: ``at`` (ISO 8601, UTC), ``event_id``, ``source``. An order keeps claims once two differ.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from neural.events.models import sort_key
from neural.restaurant.models.newest import event_of, moment_of

Claim = dict[str, Any]

MOST_CLAIMS = 20
"""How many an order keeps of each kind: the latest times, the last sources of the alphabet."""

ANOTHER_ORDER = dt.timedelta(hours=1)
"""Times of placing that differ by less are taken for a correction, unless the order was closed in
between."""


def claim(about: str, says: str, version: bytes) -> Claim:
    event_id, source = event_of(version)
    at = moment_of(version).isoformat()
    return {"about": about, "says": says, "at": at, "event_id": event_id, "source": source}


def with_claims(known: Iterable[Claim], new: Iterable[Claim]) -> list[Claim]:
    """The claims with further ones, of each only the newest event. In whatever order they are
    added, the result is the same."""
    newest: defaultdict[str, dict[str, Claim]] = defaultdict(dict)
    for each in (*known, *new):
        of_kind = newest[each["about"]]
        of_kind[each["says"]] = max(of_kind.get(each["says"], each), each, key=_version)
    return [
        of_kind[says]
        for _, of_kind in sorted(newest.items())
        for says in sorted(of_kind)[-MOST_CLAIMS:]
    ]


def _version(each: Claim) -> tuple[str, str, str]:
    return each["at"], sort_key(each["event_id"]), each["source"]


def contradict(claims: Iterable[Claim], closed_at: Sequence[dt.datetime]) -> bool:
    """Whether these claims speak of two orders: of two sources, or of two times of placing that are
    far apart or have a time in between at which the order was closed."""
    values = defaultdict(list)
    for each in claims:
        values[each["about"]].append(each["says"])
    moments = sorted(map(dt.datetime.fromisoformat, values["placed_at"]))
    return len(values["source"]) > 1 or any(
        later - former >= ANOTHER_ORDER or any(former < at <= later for at in closed_at)
        for former, later in pairwise(moments)
    )
