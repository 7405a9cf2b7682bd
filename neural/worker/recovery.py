"""Recovery: finds lost workers and the runs that nobody works on any more, and starts them again.

Each relay has its own recovery, which remembers what it has seen. Several side by side do nothing
twice: each step is a compare-and-set.

No wall clock decides whether a worker is silent or a run takes too long. Hosts differ, and any
clock, also the database's, may be set meanwhile. A relay looks again and again, and measures on its
own monotonic clock for how long it has seen the same value.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from celery import current_app
from django.db.models import Q

from neural.broker.message import batchable_handlers
from neural.kit.conf import conf
from neural.ledger.settle import mark_lost, release
from neural.models import TaskRun, WorkerProcess
from neural.worker import delivery

logger = logging.getLogger(__name__)

DEFAULT_TIME_LIMIT_SECONDS = 300
OVERDUE_MARGIN_SECONDS = 120
"""A margin for the wait in the pool, and for ending a process."""
LOOKS_OF_ONE_TURN = 4
LONGEST_TURN_SECONDS = 2.0
"""How long a run may wait behind those that were claimed with it to be executed in turn."""


class Watch:
    """Measures for how long this relay has seen values unchanged, by key."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked_at: float | None = None
        self._seen: dict[int, tuple[Hashable, float]] = {}

    def look(
        self, values: Mapping[int, Hashable], *, longest_gap: float = math.inf
    ) -> Mapping[int, float]:
        """Seconds for which each key has had its present value; other keys are forgotten.

        Of the time between two looks, at most ``longest_gap`` seconds count: a relay that could not
        look, because the database was unavailable, does not know what happened meanwhile.
        """
        now = time.monotonic()
        if self._looked_at is not None:
            self._seconds += min(now - self._looked_at, longest_gap)
        self._looked_at = now
        before, self._seen = self._seen, {}
        for key, value in values.items():
            known, since = before.get(key, (value, self._seconds))
            self._seen[key] = (value, since if known == value else self._seconds)
        return {key: self._seconds - since for key, (_, since) in self._seen.items()}


class Recovery:
    """What one relay does for lost workers and runs, and what it has seen of them."""

    def __init__(self) -> None:
        self._heartbeats = Watch()
        self._strays = Watch()
        self._held = Watch()

    def give_up_silent_workers(self) -> int:
        """Mark workers as lost whose heartbeat stands still for ``worker_lost_seconds``. Returns
        how many.

        Only time in which this relay could look counts in full: when the database was unavailable,
        every worker was silent.
        """
        lost = conf().worker_lost_seconds
        present = list(WorkerProcess.objects.present())
        heartbeats = {worker.pk: worker.heartbeat_at for worker in present}
        silent_for = self._heartbeats.look(heartbeats, longest_gap=lost / 2)
        silent = [worker for worker in present if silent_for[worker.pk] >= lost]
        return sum(_give_up(worker, silent_for[worker.pk]) for worker in silent)

    def give_up_silent_workers_now(self) -> int:
        """Mark silent workers as lost in one call, and return how many.

        If a worker seems to be silent, the call takes as long as it needs to be sure.
        """
        given_up = self.give_up_silent_workers()
        lost = conf().worker_lost_seconds
        if not WorkerProcess.objects.silent(lost).exists():
            return given_up
        for _ in range(LOOKS_OF_ONE_TURN):
            time.sleep(lost / LOOKS_OF_ONE_TURN)
            given_up += self.give_up_silent_workers()
        return given_up

    def recover_abandoned(self) -> int:
        """Start the runs of lost or stopped workers again, and return how many."""
        runs = [*TaskRun.objects.abandoned(), *self._stray()]
        return mark_lost(runs, max_losses=conf().max_lost_deliveries, why="its worker was lost")

    def _stray(self) -> Iterable[TaskRun]:
        """Runs whose holder is no present worker and cannot be working on them any more.

        A worker may claim a run after it was marked as lost. If it were alive, it would have
        reported since and be present again. A process without a worker's row (``run_due``) may also
        hold a run.
        """
        gone = Q(worker__lost_at__isnull=False) | Q(worker__stopped_at__isnull=False)
        runs = list(TaskRun.objects.running().filter(gone | Q(worker=None)))
        ages = self._strays.look({run.pk: run.token for run in runs})
        return [run for run in runs if ages[run.pk] >= _patience(run)]

    def recover_from_dead_children(
        self, worker: WorkerProcess, living: Callable[[], Collection[int]]
    ) -> int:
        """Start the runs of this worker's dead pool processes, and overdue runs, again; return how
        many. A run that still waited for its turn counts no lost delivery, also if it waits for
        long behind one that is slower than ever before.

        The runs are read before the processes are listed. The holder of a run was therefore started
        earlier, so a process that is not in the list is dead.
        """
        held = list(TaskRun.objects.running().filter(worker=worker))
        alive = living() if held else ()
        ages = self._held.look({run.pk: run.token for run in held})
        limit = conf().max_lost_deliveries
        orphans = [run for run in held if run.process_id not in alive]
        innocent = delivery.pop_waiting(orphans)
        suspect = [run for run in orphans if run not in innocent]
        longest = max(LONGEST_TURN_SECONDS, 2 * conf().batch_claim_seconds)
        late = [run for run in held if run.process_id in alive and ages[run.pk] >= longest]
        stuck = delivery.pop_waiting([run for run in late if not _is_batched(run)])
        forgotten = [
            run for run in held if run.process_id in alive and _is_overdue(run, ages[run.pk])
        ]
        return sum(
            (
                release(innocent, why="its process died before this run began"),
                release(stuck, why="it waited behind a slow run"),
                mark_lost(suspect, max_losses=limit, why="its process died"),
                mark_lost(
                    forgotten, max_losses=limit, why="it was running long after its time limit"
                ),
            )
        )


def _give_up(worker: WorkerProcess, seconds: float) -> bool:
    gone = worker.give_up()
    if gone:
        logger.warning("event=worker_lost worker=%s silent_for=%.1f", worker.name, seconds)
    return gone


def _patience(stray: TaskRun) -> float:
    if stray.worker_id is not None:
        return conf().worker_lost_seconds
    limit = current_app.conf.task_time_limit or DEFAULT_TIME_LIMIT_SECONDS
    return limit + OVERDUE_MARGIN_SECONDS


def _is_batched(run: TaskRun) -> bool:
    """Whether it may be part of a batch: a transaction which its release would undo."""
    return conf().batch_claim_runs > 1 and run.handler in batchable_handlers(run.task)


def _is_overdue(run: TaskRun, seconds: float) -> bool:
    """Whether a run is still running although the pool would have killed its process by now.

    The process is alive and does not know of the run. Only a pool of processes has limits.
    """
    limit = hard_limit(run)
    if not limit or run.process_id == os.getpid():
        return False
    return seconds > limit + OVERDUE_MARGIN_SECONDS


def hard_limit(run: TaskRun) -> float | None:
    """The hard time limit of a run, in seconds; None without one."""
    task = current_app.tasks.get(run.task)
    limit: float | None = run.time_limit or getattr(task, "time_limit", None)
    return limit or current_app.conf.task_time_limit
