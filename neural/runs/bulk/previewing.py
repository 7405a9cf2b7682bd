"""What a bulk action would do: how many runs, of which work, errors and stores, and a sample.

Everything is bounded: runs are counted up to a number and for a time, newest first.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neural.models import Store, TaskRun
from neural.registry import Registry
from neural.runs.bulk.beginning import pages
from neural.runs.bulk.deciding import ACT_TASK
from neural.runs.bulk.verbs import EFFECTS, Values
from neural.runs.query import RunQuery

SAMPLE = 10
SHOWN = 10
"""The largest parts of each kind that are shown."""
CHUNK = 500
COUNTING_SECONDS, PARTING_SECONDS = 0.1, 0.05
"""A page has to come at once: more is counted when the action is begun."""

NameErrors: TypeAlias = Callable[[Any, Sequence[int]], Mapping[int, str]]

ERROR_NAMERS: Registry[NameErrors] = Registry("namer of errors")


def name_errors_by(name: str, call: NameErrors) -> None:
    """Name the errors of runs, in place of their first lines, by a function of a user and primary
    keys of runs. Runs that it leaves out keep their first lines. Call this in the app's
    ``ready()``."""
    ERROR_NAMERS.add(name, call)


@dataclass(frozen=True)
class Part:
    """Runs that have something in common; ``of`` is empty if there is nothing to name."""

    of: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the verb would do to the newest runs that match; ``is_more`` if others were not counted.

    ``parted`` is how many of the newest the parts are of.
    """

    matched: int
    fit: int
    is_more: bool
    parted: int
    works: Sequence[Part]
    errors: Sequence[Part]
    stores: Sequence[Part]
    sample: Sequence[TaskRun]


def preview(
    *,
    verb: str,
    user: Any,
    query: RunQuery | None = None,
    run_ids: Sequence[int] | None = None,
    values: Values | None = None,
) -> Preview:
    """What an action on these runs of the user's stores would do."""
    keys, is_more = (
        _matching(query or RunQuery(), user) if run_ids is None else _seen(run_ids, user)
    )
    parts = _Parts(user)
    for chunk in _in_time(keys):
        parts.add(chunk)
    return Preview(
        matched=len(keys),
        fit=_fitting(verb, keys, query, values or {}),
        is_more=is_more,
        parted=parts.runs,
        works=_largest(parts.works),
        errors=_largest(parts.errors),
        stores=_with_names(_largest(parts.stores)),
        sample=_sample(keys),
    )


def _matching(query: RunQuery, user: Any) -> tuple[Sequence[int], bool]:
    """The keys of the newest runs that match, and whether there are more."""
    keys: list[int] = []
    is_more = True
    for some, is_last in pages(query, user, seconds=COUNTING_SECONDS):
        keys += some
        is_more = not is_last
    return keys, is_more


def _seen(run_ids: Sequence[int], user: Any) -> tuple[Sequence[int], bool]:
    chosen: Any = TaskRun.objects.filter(pk__in=run_ids)
    mine = chosen.for_user(user).order_by("-pk")
    return list(mine.values_list("pk", flat=True)), False


def _in_time(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Chunks of the keys, until the time for parts is up."""
    end = time.monotonic() + PARTING_SECONDS
    for start in range(0, len(keys), CHUNK):
        if start and time.monotonic() >= end:
            return
        yield keys[start : start + CHUNK]


def _fitting(verb: str, keys: Sequence[int], query: RunQuery | None, values: Values) -> int:
    """How many it would change."""
    effect = EFFECTS[verb]
    if query is not None and query.state not in effect.states:
        return 0
    runs = TaskRun.objects.filter(pk__in=keys, state__in=effect.states).exclude(task=ACT_TASK)
    for condition in effect.excluded(values, query).values():
        runs = runs.exclude(condition)
    return len(runs.values_list("pk", flat=True))


def _sample(keys: Sequence[int]) -> Sequence[TaskRun]:
    runs = TaskRun.objects.filter(pk__in=keys[:SAMPLE]).select_related("store")
    return list(runs.defer("args", "kwargs", "result").order_by("-pk"))


class _Parts:
    """Adds up runs by what they have in common."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.runs = 0
        self.works: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.stores: Counter[str] = Counter()

    def add(self, keys: Sequence[int]) -> None:
        named: dict[int, str] = {}
        for call in ERROR_NAMERS:
            named |= call(self.user, keys)
        rows = TaskRun.objects.filter(pk__in=keys)
        for key, handler, task, store, error in rows.values_list(
            "pk", "handler", "task", "store_id", "error"
        ):
            self.works[handler or task] += 1
            self.stores[store or ""] += 1
            self.errors[named.get(key) or first_line(error)] += 1
        self.runs += len(keys)


def first_line(error: str) -> str:
    """The first line of an error that is not empty."""
    return next((line.strip() for line in error.splitlines() if line.strip()), "")[:200]


def _largest(counts: Counter[str]) -> Sequence[Part]:
    parts = sorted(counts.items(), key=lambda part: (-part[1], part[0]))
    return [Part(of, runs) for of, runs in parts[:SHOWN]]


def _with_names(parts: Sequence[Part]) -> Sequence[Part]:
    names = Store.objects.only("code", "name").in_bulk([part.of for part in parts])
    return [Part(str(names.get(part.of, part.of)), part.runs) for part in parts]
