"""What a bulk action would do: how many runs, of which work, errors and stores, and a sample.

Everything is bounded: runs are counted up to a number and for a time, newest first.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neural.kit.registry import Registry
from neural.models import Store, TaskRun
from neural.runs.acts import NOTHING, RunVerb, Values
from neural.runs.bulk.deciding import ACT_TASK
from neural.runs.selecting import Selection

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


def preview(*, verb: RunVerb, selection: Selection, values: Values = NOTHING) -> Preview:
    """What an action on these runs of the user's stores would do."""
    keys, is_more = selection.newest(seconds=COUNTING_SECONDS)
    fitting = TaskRun.objects.filter(pk__in=keys, state__in=verb.states).exclude(task=ACT_TASK)
    fitting = verb.reached(fitting, named=selection.names_each, values=values)
    may_fit = selection.run_ids is not None or selection.query.state in verb.states
    parted, works, errors, stores = 0, Counter[str](), Counter[str](), Counter[str]()
    end = time.monotonic() + PARTING_SECONDS
    while parted < len(keys) and (not parted or time.monotonic() < end):
        chunk = keys[parted : parted + CHUNK]
        parted += len(chunk)
        named: dict[int, str] = {}
        for call in ERROR_NAMERS:
            named |= call(selection.user, chunk)
        rows = TaskRun.objects.filter(pk__in=chunk)
        for key, handler, task, store, error in rows.values_list(
            "pk", "handler", "task", "store_id", "error"
        ):
            works[handler or task] += 1
            stores[store or ""] += 1
            errors[named.get(key) or first_line(error)] += 1
    runs = TaskRun.objects.filter(pk__in=keys[:SAMPLE]).select_related("store")
    return Preview(
        matched=len(keys),
        fit=len(fitting.values_list("pk", flat=True)) if may_fit else 0,
        is_more=is_more,
        parted=parted,
        works=_largest(works),
        errors=_largest(errors),
        stores=_with_names(_largest(stores)),
        sample=list(runs.defer("args", "kwargs", "result").order_by("-pk")),
    )


def first_line(error: str) -> str:
    """The first line of an error that is not empty."""
    return next((line.strip() for line in error.splitlines() if line.strip()), "")[:200]


def _largest(counts: Counter[str]) -> Sequence[Part]:
    parts = sorted(counts.items(), key=lambda part: (-part[1], part[0]))
    return [Part(of, runs) for of, runs in parts[:SHOWN]]


def _with_names(parts: Sequence[Part]) -> Sequence[Part]:
    names = Store.objects.only("code", "name").in_bulk([part.of for part in parts])
    return [Part(str(names.get(part.of, part.of)), part.runs) for part in parts]
