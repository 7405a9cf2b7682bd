"""What anybody subscribes to, remembered for a few seconds by each process.

Submitting and settling ask here first, so that without subscriptions they pay for a comparison of
two numbers and, every few seconds, for one query of an empty table. A subscription is respected by
the process that saved it at once, and by every other process after :data:`SECONDS`.
"""

import re
import time
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from django.db import transaction

from neural.hooks.models import SubscribedType
from neural.ledger import dialects

SECONDS = 5
"""For how long a process takes its knowledge to be true."""
EVERY_EVENT = "*"
OUTCOMES = ("run.succeeded", "run.dead")
EVERY_OUTCOME = "run.*"
_PATTERN = re.compile(r"([^\s*,]+\.)?\*\Z")

_known: tuple[frozenset[str], float] = (frozenset(), float("-inf"))


def names() -> frozenset[str]:
    """The names and patterns of all subscriptions, also of paused ones."""
    global _known
    found, until = _known
    now = time.monotonic()
    if now < until:
        return found
    rows = SubscribedType.objects.using(dialects.ledger_connection().alias).order_by()
    found = frozenset(rows.values_list("name", flat=True).distinct())
    _known = (found, now + SECONDS)
    return found


def forget() -> None:
    """Ask the database next time."""
    global _known
    _known = (frozenset(), float("-inf"))


def changed(using: str, **_: Any) -> None:
    """A subscription was changed here. Also forget what another thread reads before the commit."""
    forget()
    transaction.on_commit(forget, using=using)


def to_event(event_type: str) -> bool:
    """Whether anybody may want events of this type."""
    return not names().isdisjoint(matching_event(event_type))


def to_outcome(outcome: str) -> bool:
    """Whether anybody may want this outcome of runs."""
    return outcome in OUTCOMES and not names().isdisjoint(matching_outcome(outcome))


def to_outcomes() -> bool:
    """Whether anybody may want outcomes of runs."""
    return any(map(to_outcome, OUTCOMES))


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
