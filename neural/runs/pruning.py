"""Deleting what is finished and old, so that the ledger keeps its size.

Rows are walked by primary key in short transactions. A key is given when a row is made, so
the walk ends at the first stretch of rows that are all too young: what is recent is never
read, and no index on times is needed.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from neural.conf import conf
from neural.models import (
    Forecast,
    IndexMark,
    NeuralEvent,
    RefusedEvent,
    RunState,
    TaskRun,
    WorkerProcess,
)
from neural.models.run import TaskRunQuerySet
from neural.runs import sql
from neural.vectors.conf import search_is_on

CHUNK = 1000
DEFAULT_DAYS: Mapping[RunState, float] = {
    RunState.SUCCEEDED: 30,
    RunState.CANCELLED: 90,
    RunState.DISCARDED: 90,
}
"""How long runs are kept. Dead ones wait for a person's decision, however old."""
PRUNABLE_STATES = (*DEFAULT_DAYS, RunState.DEAD)
# A run in one of these may still need its event's payload.
_NEEDING_PAYLOAD = (RunState.PENDING, RunState.RUNNING, RunState.DEAD)
# A worker that was lost for longer than this does not wake up again.
_WORKER_MEMORY = dt.timedelta(days=1)

Progress = Callable[[int], None]


def _silent(keys: int) -> None:
    """No progress is shown."""


def prune_runs(
    *,
    now: dt.datetime,
    keep_days: Mapping[RunState, float],
    dry_run: bool = False,
    on_progress: Progress = _silent,
) -> Counter[RunState]:
    """Delete runs, with their tries, that finished longer ago than their state is kept.

    Returns how many by state; with ``dry_run`` how many would be. ``on_progress`` is told
    how many primary keys each step has passed. States that are not finished are refused.
    """
    if unprunable := set(keep_days) - set(PRUNABLE_STATES):
        raise ValueError(f"runs are never pruned while {', '.join(sorted(unprunable))}")
    cutoffs = {state: now - dt.timedelta(days=days) for state, days in keep_days.items()}
    pruned: Counter[RunState] = Counter()
    if not cutoffs:
        return pruned
    stretches = _stretches(TaskRun.objects.all(), "created_at", before=max(cutoffs.values()))
    for low, high in stretches:
        old = TaskRun.objects.filter(_any_old(cutoffs), pk__gt=low, pk__lte=high)
        states = old.values_list("state", flat=True) if dry_run else _delete(old)
        pruned.update(map(RunState, states))
        on_progress(high - low)
    return pruned


def _any_old(cutoffs: Mapping[RunState, dt.datetime]) -> Q:
    each = (Q(state=state, finished_at__lt=cutoff) for state, cutoff in cutoffs.items())
    return reduce(or_, each)


def _delete(runs: TaskRunQuerySet) -> list[str]:
    """Delete these runs as they are now, and return their states: one that a person retries
    meanwhile stays."""
    with transaction.atomic():
        found = list(runs.select_for_update().values_list("pk", "state"))
        # And with them their tries.
        TaskRun.objects.filter(pk__in=[key for key, _ in found]).delete()
    return [state for _, state in found]


def prune_payloads(
    *, now: dt.datetime, keep_days: float, dry_run: bool = False, on_progress: Progress = _silent
) -> int:
    """Empty the payloads of events that were recorded longer ago and are done with.

    An event is done with when none of its runs waits, runs or is dead. One that nobody
    handled yet keeps its payload for a replay. Keys and content hash stay, so that the same
    event sent again is still a duplicate, and a changed one still a conflict.
    """
    cutoff = now - dt.timedelta(days=keep_days)
    pruned = 0
    full = NeuralEvent.objects.filter(pruned_at=None)
    for low, high in _stretches(full, "recorded_at", before=cutoff):
        done = _done_with(full.filter(pk__gt=low, pk__lte=high, recorded_at__lt=cutoff))
        pruned += done.count() if dry_run else _empty(done)
        on_progress(high - low)
    return pruned


def _empty(events: QuerySet[NeuralEvent]) -> int:
    """Empty these events' payloads, and have them taken out of the search index."""
    with transaction.atomic():
        found = events.select_for_update(of=("self",)).values_list("store", "pk")
        keys = {pk: f"{store}/{pk}" for store, pk in found}
        if search_is_on():
            IndexMark.objects.mark("events", keys.values(), history=True)
        emptied = NeuralEvent.objects.filter(pk__in=keys)
        return emptied.update(payload=None, pruned_at=Now())


def _done_with(events: QuerySet[NeuralEvent]) -> QuerySet[NeuralEvent]:
    needing = TaskRun.objects.filter(event=OuterRef("pk"), state__in=_NEEDING_PAYLOAD)
    return events.filter(~Exists(needing), unhandled=False)


def prune_forecasts(
    *, now: dt.datetime, keep_days: float, dry_run: bool = False, on_progress: Progress = _silent
) -> int:
    """Delete forecasts that were made longer ago; returns how many."""
    cutoff = now - dt.timedelta(days=keep_days)
    pruned = 0
    for low, high in _stretches(Forecast.objects.all(), "made_at", before=cutoff):
        old = Forecast.objects.filter(pk__gt=low, pk__lte=high, made_at__lt=cutoff)
        pruned += old.count() if dry_run else old.delete()[0]
        on_progress(high - low)
    return pruned


def prune_refusals(
    *, now: dt.datetime, dry_run: bool = False, on_progress: Progress = _silent
) -> int:
    """Delete refused events that have not come again for ``refusals_kept_days``; returns how
    many."""
    cutoff = now - dt.timedelta(days=conf().refusals_kept_days)
    pruned = 0
    for low, high in _stretches(RefusedEvent.objects.all(), "refused_at", before=cutoff):
        within = RefusedEvent.objects.filter(pk__gt=low, pk__lte=high)
        old = within.filter(last_refused_at__lt=cutoff)
        pruned += old.count() if dry_run else old.delete()[0]
        on_progress(high - low)
    return pruned


def prune_workers(*, now: dt.datetime, dry_run: bool = False) -> int:
    """Delete workers that had gone before the oldest run was recorded: no run names them."""
    oldest = TaskRun.objects.order_by("pk").values_list("created_at", flat=True).first()
    before = min(now - _WORKER_MEMORY, oldest or now)
    gone = WorkerProcess.objects.filter(~Q(stopped_at=None) | ~Q(lost_at=None))
    forgotten = gone.annotate(gone_at=Coalesce("stopped_at", "lost_at")).filter(gone_at__lt=before)
    if dry_run:
        return forgotten.count()
    # One by one, and past Django's own look for rows that refer to them: each look reads all
    # runs, as no index serves it. The database's own constraint is enough.
    return sum(map(_delete_worker, list(forgotten.values_list("pk", flat=True))))


def _delete_worker(key: int) -> int:
    try:
        with transaction.atomic():
            return WorkerProcess.objects.filter(pk=key)._raw_delete(sql.ledger_connection().alias)
    except IntegrityError:
        return 0  # a run with a key out of order names it still


def key_range(rows: QuerySet[Any]) -> int:
    """How many primary keys a walk passes at most: what a progress bar is full at."""
    keys = rows.order_by().values_list("pk", flat=True)
    first, last = keys.order_by("pk").first(), keys.order_by("-pk").first()
    return 0 if first is None or last is None else last - first + 1


def _stretches(
    rows: QuerySet[Any], made_at: str, *, before: dt.datetime
) -> Iterator[tuple[int, int]]:
    """Ranges of primary keys, low excluded, high included, of rows made before a moment."""
    in_order = rows.order_by("pk").values_list("pk", made_at)
    low = (in_order.values_list("pk", flat=True).first() or 1) - 1
    young = False
    while end := _end_of_stretch(in_order.filter(pk__gt=low)):
        high, made = end
        if young and made >= before:
            return  # and so are the rows between this end and the one before
        yield low, high
        low, young = high, made >= before


def _end_of_stretch(rows: QuerySet[Any, tuple[int, dt.datetime]]) -> Any:
    """The last of the next CHUNK rows, or of those that are left."""
    for end in (rows[CHUNK - 1 : CHUNK], rows.reverse()[:1]):
        for row in end:
            return row
    return None
