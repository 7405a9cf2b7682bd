"""Types to which a subscription subscribes: names and patterns. Imports no Django.

``order.stated`` is one event type; ``order.*`` is every type that begins with ``order.``; ``*`` is
every event type. The outcomes of runs are ``run.succeeded`` and ``run.dead``, or ``run.*`` for
both; ``*`` does not contain them, because there are several of them for each event.
"""

import re
from collections.abc import Collection
from functools import lru_cache

EVERY_EVENT = "*"
OUTCOMES = ("run.succeeded", "run.dead")
EVERY_OUTCOME = "run.*"
_PATTERN = re.compile(r"([^\s*,]+\.)?\*\Z")


@lru_cache(maxsize=1000)
def matching_event(event_type: str) -> frozenset[str]:
    """The names by which a subscription gets events of this type."""
    parts = event_type.split(".")
    families = {".".join(parts[:length]) + ".*" for length in range(1, len(parts))}
    return frozenset({EVERY_EVENT, event_type, *families})


def matching_outcome(outcome: str) -> frozenset[str]:
    """The names by which a subscription gets this outcome of runs."""
    return frozenset({EVERY_OUTCOME, outcome})


def matches_nothing(name: str, event_types: Collection[str]) -> bool:
    """Whether a subscription to this name would get nothing, given the known event types."""
    if name in OUTCOMES or name == EVERY_OUTCOME or name in event_types:
        return False
    if not _PATTERN.match(name):
        return True
    return not any(name in matching_event(each) for each in event_types)
