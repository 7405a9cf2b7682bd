"""Deletes old finished runs, workers and other rows, so that the ledger does not grow for ever.

How long finished runs are kept depends on their state, and on their handler, event type or task
(:class:`Retention`). Rows are walked by primary key in short transactions. Keys rise with the time
at which rows were made, so the walk ends at the first range of rows that are all too young. Recent
rows are never read, and no index on times is needed.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Coalesce

from neural.kit.conf import conf
from neural.kit.registry import Registry
from neural.ledger import dialects
from neural.models import Batch, RunState, TaskRun, WorkerProcess
from neural.runs.models.run import TaskRunQuerySet

ByState = Mapping[str, float | None]
"""Days by state. None, like a state that is not named: never deleted."""
CHUNK = 1000
PRUNABLE_STATES = (RunState.SUCCEEDED, RunState.CANCELLED, RunState.DISCARDED, RunState.DEAD)
# A worker that was lost for longer than this does not wake up again.
_WORKER_MEMORY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The days for which runs are kept after they finished.

    ``works`` names handlers, event types and tasks, with days for some states; there they replace
    those of ``states``. A handler's own days outrank those of its event's type. A task's are for
    runs without an event.
    """

    states: ByState
    works: Mapping[str, ByState] = field(default_factory=dict)

    @classmethod
    def of_settings(cls) -> "Retention":
        """What the settings say."""
        configured = conf()
        return cls(
            states={
                "succeeded": configured.succeeded_kept_days,
                "cancelled": configured.cancelled_kept_days,
                "discarded": configured.discarded_kept_days,
                "dead": configured.dead_kept_days,
            },
            works={
                work: {str(state): days for state, days in rule.items()}
                for work, rule in configured.kept_days_by_work.items()
            },
        )

    def only(self, *states: str) -> "Retention":
        """The same for these states; runs in others are never deleted."""
        return Retention(
            states={state: self.states.get(state) for state in states},
            works={
                work: {state: days for state, days in rule.items() if state in states}
                for work, rule in self.works.items()
            },
        )

    def named_states(self) -> set[str]:
        """Every state that has days of its own somewhere."""
        return set(self.states).union(*self.works.values())

    def least_days(self) -> float | None:
        """The least number of days after which any run goes; None if none ever does."""
        found = [days for rule in (self.states, *self.works.values()) for days in rule.values()]
        return min((days for days in found if days is not None), default=None)


def outdated(keep: Retention, now: dt.datetime) -> Q:
    """The runs that are kept no longer."""
    runs = Q(pk__in=())
    for state in sorted(keep.named_states()):
        own = [work for work, rule in keep.works.items() if state in rule]
        runs |= _aged(state, keep.states.get(state), now) & ~_of_any(own)
        for work in own:
            runs |= _aged(state, keep.works[work][state], now) & _of(work, own)
    return runs


def _aged(state: str, days: float | None, now: dt.datetime) -> Q:
    if days is None:
        return Q(pk__in=())
    return Q(state=state, finished_at__lt=now - dt.timedelta(days=days))


def _of_any(works: list[str]) -> Q:
    if not works:
        return Q(pk__in=())
    as_task = Q(event=None, task__in=works)
    return Q(handler__in=works) | Q(event__type__in=works) | as_task


def _of(work: str, works: list[str]) -> Q:
    """Runs for which ``work`` decides; ``works`` are all that may decide."""
    by_type = Q(event__type=work) & ~Q(handler__in=works)
    return Q(handler=work) | by_type | Q(event=None, task=work)


# Walks


class Step(NamedTuple):
    """One short transaction of a walk."""

    after: int
    """The last primary key that it passed: a walk may go on after it."""
    keys: int
    """How many primary keys it passed."""
    pruned: Counter[str]
    """How many rows it deleted (in a dry run: would have deleted), by what they are."""


Walk = Iterator[Step]
Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """Show no progress."""


def _all(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The default for ``rows``."""
    return rows


def _delete_rows(rows: QuerySet[Any]) -> int:
    """The default for ``erase``. Rows that are deleted along with these are not counted."""
    return rows.delete()[1].get(rows.model._meta.label, 0)


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """A kind of rows that are deleted, or whose content is, when they are old."""

    name: str
    """Their name in the plural, for the command's output."""
    which: str
    """The rows that are deleted, for the command's help: 'forecasts that are over a year old'."""
    model: type[Model]
    made_at: str
    """The field with the time at which a row was made; the primary key is a number that rises with
    it."""
    kept_days: Callable[[], float]
    aged_from: str = ""
    """The field with the time from which a row's age counts, if it is another than ``made_at``."""
    rows: Callable[[QuerySet[Any]], QuerySet[Any]] = _all
    """Those of the model's rows that are of this kind."""
    erase: Callable[[QuerySet[Any]], int] = _delete_rows
    """Deletes these rows, or what is to go of them; returns how many."""
    label: Any = ""
    """Their name in the reader's language, for the admin: a lazy text. Empty: ``name``."""


PRUNABLES: Registry[Prunable] = Registry("prunable")


def register_prunable(*prunables: Prunable) -> None:
    """Make `manage.py prune` delete these rows, too."""
    for each in prunables:
        PRUNABLES.add(each.name, each)


def prune_old(
    prunable: Prunable,
    *,
    now: dt.datetime,
    dry_run: bool = False,
    on_progress: Progress = silent,
) -> int:
    """Delete rows older than ``kept_days``; returns how many, not counting cascaded deletions.

    With ``dry_run`` nothing is deleted. ``on_progress`` is called with each step when it has
    committed.
    """
    return total(walk_old(prunable, now=now, dry_run=dry_run), on_progress)[prunable.name]


def walk_old(prunable: Prunable, *, now: dt.datetime, dry_run: bool, after: int = 0) -> Walk:
    """The steps of :func:`prune_old`, from the primary key ``after`` on."""
    cutoff = now - dt.timedelta(days=prunable.kept_days())
    rows = prunable.rows(prunable.model._default_manager.all())
    for low, high in stretches(rows, prunable.made_at, before=cutoff, after=after):
        aged = {f"{prunable.aged_from or prunable.made_at}__lt": cutoff}
        old = rows.filter(pk__gt=low, pk__lte=high, **aged)
        pruned = old.count() if dry_run else prunable.erase(old)
        yield Step(high, high - low, Counter({prunable.name: pruned}))


def total(walk: Walk, on_progress: Progress = silent) -> Counter[str]:
    """What all steps of a walk have pruned."""
    pruned: Counter[str] = Counter()
    for step in walk:
        pruned.update(step.pruned)
        on_progress(step)
    return pruned


def prune_runs(
    *,
    now: dt.datetime,
    keep: Retention,
    dry_run: bool = False,
    on_progress: Progress = silent,
) -> Counter[str]:
    """Delete runs, with their attempts, that finished longer ago than they are kept.

    Returns how many were deleted (with ``dry_run``: would be deleted) in each state.
    ``on_progress`` is called with each step when it has committed. Raises ValueError for a state
    that is not finished.
    """
    return total(walk_runs(now=now, keep=keep, dry_run=dry_run), on_progress)


def walk_runs(*, now: dt.datetime, keep: Retention, dry_run: bool, after: int = 0) -> Walk:
    """The steps of :func:`prune_runs`, from the primary key ``after`` on."""
    if unprunable := keep.named_states() - set(PRUNABLE_STATES):
        raise ValueError(f"runs are never pruned while {', '.join(sorted(unprunable))}")
    least = keep.least_days()
    if least is None:
        return
    before = now - dt.timedelta(days=least)
    for low, high in stretches(TaskRun.objects.all(), "created_at", before=before, after=after):
        old = TaskRun.objects.filter(outdated(keep, now), pk__gt=low, pk__lte=high)
        old = old.exclude(batch__in=Batch.objects.filter(ended_at=None).values("pk"))
        states = old.values_list("state", flat=True) if dry_run else _delete(old)
        yield Step(high, high - low, Counter(states))


def _delete(runs: TaskRunQuerySet) -> list[str]:
    """Delete these runs and return their states. The rows are locked and checked again first, so a
    run that a person retries meanwhile stays."""
    with transaction.atomic():
        found = list(runs.select_for_update(of=("self",)).values_list("pk", "state"))
        # This deletes their attempts, too. Django reads what it deletes: the keys are enough.
        TaskRun.objects.filter(pk__in=[key for key, _ in found]).only("pk").delete()
    return [state for _, state in found]


def prune_workers(*, now: dt.datetime, dry_run: bool = False) -> int:
    """Delete workers that were gone before the oldest run was recorded, so no run refers to them.

    Returns how many were deleted (with ``dry_run``: would be deleted).
    """
    oldest = TaskRun.objects.order_by("pk").values_list("created_at", flat=True).first()
    before = min(now - _WORKER_MEMORY, oldest or now)
    gone = WorkerProcess.objects.filter(~Q(stopped_at=None) | ~Q(lost_at=None))
    forgotten = gone.annotate(gone_at=Coalesce("stopped_at", "lost_at")).filter(gone_at__lt=before)
    if dry_run:
        return forgotten.count()
    # One by one, and without Django's search for rows that refer to them: each search would read
    # all runs, as no index serves it.
    return sum(map(_delete_worker, list(forgotten.values_list("pk", flat=True))))


def _delete_worker(key: int) -> int:
    try:
        with transaction.atomic():
            own = WorkerProcess.objects.filter(pk=key)
            return own._raw_delete(dialects.ledger_connection().alias)
    except IntegrityError:
        return 0  # a row still refers to it


def key_range(rows: QuerySet[Any]) -> int:
    """How many primary keys a walk passes at most: the total of a progress bar."""
    keys = rows.order_by().values_list("pk", flat=True)
    first, last = keys.order_by("pk").first(), keys.order_by("-pk").first()
    return 0 if first is None or last is None else last - first + 1


def stretches(
    rows: QuerySet[Any], made_at: str, *, before: dt.datetime, after: int = 0
) -> Iterator[tuple[int, int]]:
    """Yield ranges of primary keys, low excluded, high included, in which the rows made before a
    moment are, from the key ``after`` on. Younger rows may be among them."""
    in_order = rows.order_by("pk").values_list("pk", made_at)
    low = max((in_order.values_list("pk", flat=True).first() or 1) - 1, after)
    young = False
    while end := _end_of_stretch(in_order.filter(pk__gt=low)):
        high, made = end
        if young and made >= before:
            return  # the rows between this end and the one before are young, too
        yield low, high
        low, young = high, made >= before


def _end_of_stretch(rows: QuerySet[Any, tuple[int, dt.datetime]]) -> Any:
    """The last of the next CHUNK rows, or of those that are left."""
    for end in (rows[CHUNK - 1 : CHUNK], rows.reverse()[:1]):
        for row in end:
            return row
    return None
