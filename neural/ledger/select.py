"""Selects dead, cancelled and discarded runs by task, store, error and so on, and retries them.

Runs are walked by primary key within a state. An index of these states serves the walk, so its cost
does not grow with the millions of runs that succeeded.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q

from neural.ledger.record import BY_MESSAGE
from neural.models import RunState, TaskRun
from neural.models.run import TaskRunQuerySet

CHUNK = 1000
REFUSED = Q(requested_by=BY_MESSAGE, started_at=None) & ~Q(error="") | Q(options__has_key="refused")
"""Dead letters of messages that were refused before anything ran, and those of which only a part
was kept: they are retried by their ids alone."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Criteria for dead, cancelled or discarded runs. Empty criteria match every run."""

    states: Sequence[RunState] = (RunState.DEAD,)
    task: str = ""
    handler: str = ""
    queue: str = ""
    store: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Runs that finished at or after ``since`` and before ``until``."""
    error: str = ""
    """Part of the last error, upper or lower case."""
    ids: Sequence[str] = ()
    """Task ids, or primary keys."""
    stores: Collection[str] | None = None
    """The codes of the stores that the caller may see; None: every store."""

    def runs(self) -> TaskRunQuerySet:
        """The selected runs, without those :meth:`out_of_reach`."""
        return self._chosen().exclude(event__pruned_at__isnull=False)

    def out_of_reach(self) -> TaskRunQuerySet:
        """Selected runs of events whose payload was pruned. They cannot be retried."""
        return self._chosen().filter(event__pruned_at__isnull=False)

    def _chosen(self) -> TaskRunQuerySet:
        exact: dict[str, object] = {"task": self.task, "handler": self.handler, "queue": self.queue}
        exact |= {"store": self.store, "finished_at__gte": self.since}
        exact |= {"finished_at__lt": self.until, "error__icontains": self.error}
        wanted = {name: value for name, value in exact.items() if value}
        runs: TaskRunQuerySet = TaskRun.objects.in_stores(self.stores)
        runs = runs.filter(state__in=self.states, **wanted)
        if not self.ids:
            return runs.exclude(REFUSED)
        keys = [int(each) for each in self.ids if each.isdecimal()]
        return runs.filter(Q(task_id__in=self.ids) | Q(pk__in=keys))


@dataclass(frozen=True)
class Group:
    """How many of the selected runs have the same work and the same last error."""

    work: str
    error: str
    runs: int


def groups(selection: Selection, *, most: int) -> list[Group]:
    """The largest groups of selected runs by work and last error, at most ``most``."""
    counted = (
        selection.runs()
        .order_by()
        .values_list("handler", "task", "error")
        .annotate(runs=Count("pk"))
        .order_by("-runs", "handler", "task", "error")
    )
    return [Group(handler or task, error, runs) for handler, task, error, runs in counted[:most]]


def retry(
    selection: Selection,
    *,
    on_progress: Callable[[int], None] = lambda runs: None,
    on_retried: Callable[[Sequence[TaskRun]], None] = lambda runs: None,
) -> int:
    """Retry the selected runs, a chunk in each transaction; returns how many were retried.

    A run whose state somebody changes meanwhile is left alone. ``on_progress`` is called with each
    chunk's size when it has committed, and ``on_retried`` with those of its runs that were retried,
    in the transaction that retried them.
    """
    changed = 0
    for state in selection.states:
        for keys in _keys(selection.runs().filter(state=state)):
            changed += _retry_chunk(keys, state, on_retried)
            on_progress(len(keys))
    return changed


@transaction.atomic
def _retry_chunk(
    keys: Sequence[int], state: RunState, on_retried: Callable[[Sequence[TaskRun]], None]
) -> int:
    still = TaskRun.objects.filter(pk__in=keys, state=state).order_by("pk").only("store")
    runs = list(still.select_for_update(of=("self",)))
    TaskRun.objects.filter(pk__in=[run.pk for run in runs]).retry()
    if runs:
        on_retried(runs)
    return len(runs)


def retry_first(
    selection: Selection, *, most: int, dry_run: bool = False
) -> tuple[list[TaskRun], bool]:
    """Retry the first of the selected runs, at most so many; returns them, as they were found, and
    whether there are more. With ``dry_run``, change nothing.

    Call it in a transaction. The runs are locked in the order of their keys, so that two callers
    cannot deadlock, and no run is returned that somebody else changes meanwhile.
    """
    runs = (
        selection.runs()
        .order_by("pk")
        .only("task_id", "task", "handler", "queue", "event_id", "store_id")
    )
    if not dry_run:
        runs = runs.select_for_update(of=("self",))
    found = list(runs[: most + 1])
    first = found[:most]
    if not dry_run:
        TaskRun.objects.filter(pk__in=[run.pk for run in first]).retry()
    return first, len(found) > most


def _keys(runs: TaskRunQuerySet) -> Iterator[list[int]]:
    last = 0
    while keys := list(
        runs.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]
    ):
        yield keys
        last = keys[-1]
