"""What was lost starts again: lost workers, and the runs that nobody is at any more.

Each relay has a recovery of its own, which remembers what it has seen. Several side by side double
nothing: each step is a compare-and-set.

Whether a worker is silent, or a run stands for too long, is judged by no clock: hosts differ,
and any clock may be set while one looks, the database's as well. A relay looks again and again,
and counts on its own monotonic clock for how long it has seen the same value.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from celery import current_app
from django.db.models import Q

from neural.conf import conf
from neural.ledger.settle import mark_lost
from neural.models import TaskRun, WorkerProcess

logger = logging.getLogger(__name__)

DEFAULT_TIME_LIMIT_SECONDS = 300
OVERDUE_MARGIN_SECONDS = 120
"""For the wait in the pool, and for what ending a process takes."""
LOOKS_OF_ONE_TURN = 4


class Watch:
    """For how long something has stayed the same, as one relay itself has seen it, by key.

    ``longest_gap``: of a longer time between two looks only so many seconds count. Whoever
    could not look, because the database was away, does not know what happened meanwhile.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked_at: float | None = None
        self._seen: dict[int, tuple[Hashable, float]] = {}

    def look(
        self, values: Mapping[int, Hashable], *, longest_gap: float = math.inf
    ) -> Mapping[int, float]:
        """For how many seconds each has had the value that it has now; what is not among
        ``values`` is forgotten."""
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
    """What one relay does for workers and runs that were lost, and what it has seen of them."""

    def __init__(self) -> None:
        self._heartbeats = Watch()
        self._strays = Watch()
        self._held = Watch()

    def give_up_silent_workers(self) -> int:
        """Take workers for dead whose heartbeat has stood still for ``worker_lost_seconds``
        before the eyes of this relay. One that could not look itself judges nobody by that
        time: when the database was away, every worker has been silent."""
        lost = conf().worker_lost_seconds
        present = list(WorkerProcess.objects.present())
        heartbeats = {worker.pk: worker.heartbeat_at for worker in present}
        silent_for = self._heartbeats.look(heartbeats, longest_gap=lost / 2)
        silent = [worker for worker in present if silent_for[worker.pk] >= lost]
        return sum(_give_up(worker, silent_for[worker.pk]) for worker in silent)

    def give_up_silent_workers_now(self) -> int:
        """The same in one call, which looks for as long as it takes to be sure, if a worker
        seems to be silent."""
        given_up = self.give_up_silent_workers()
        lost = conf().worker_lost_seconds
        if not WorkerProcess.objects.silent(lost).exists():
            return given_up
        for _ in range(LOOKS_OF_ONE_TURN):
            time.sleep(lost / LOOKS_OF_ONE_TURN)
            given_up += self.give_up_silent_workers()
        return given_up

    def recover_abandoned(self) -> int:
        """Start again what lost or stopped workers had taken; return how many runs."""
        runs = [*TaskRun.objects.abandoned(), *self._stray()]
        return mark_lost(runs, max_losses=conf().max_lost_deliveries, why="its worker was lost")

    def _stray(self) -> Iterable[TaskRun]:
        """What a worker took after it was given up, and never came back: one that lived would
        have been heard of since, and would be present again. And what a process without a
        worker's row (``run_due``) took and cannot be at any more."""
        gone = Q(worker__lost_at__isnull=False) | Q(worker__stopped_at__isnull=False)
        runs = list(TaskRun.objects.running().filter(gone | Q(worker=None)))
        ages = self._strays.look({run.pk: run.token for run in runs})
        return [run for run in runs if ages[run.pk] >= _patience(run)]

    def recover_from_dead_children(
        self, worker: WorkerProcess, living: Callable[[], Collection[int]]
    ) -> int:
        """Start again what this worker's dead pool processes had taken.

        The runs are read before the processes are listed: whoever holds a run then was
        started earlier, so that a process that is not in the list is dead.
        """
        held = list(TaskRun.objects.running().filter(worker=worker))
        alive = living() if held else ()
        ages = self._held.look({run.pk: run.token for run in held})
        limit = conf().max_lost_deliveries
        orphans = [run for run in held if run.process_id not in alive]
        forgotten = [
            run for run in held if run.process_id in alive and _is_overdue(run, ages[run.pk])
        ]
        return mark_lost(orphans, max_losses=limit, why="its process died") + mark_lost(
            forgotten, max_losses=limit, why="it was running long after its time limit"
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


def _is_overdue(run: TaskRun, seconds: float) -> bool:
    """Whether a run stands as running although the pool would have killed its process by
    now: the process lives and does not know of it. Only a pool of processes has limits."""
    task = current_app.tasks.get(run.task)
    limit = run.time_limit or getattr(task, "time_limit", None)
    limit = limit or current_app.conf.task_time_limit
    if not limit or run.process_id == os.getpid():
        return False
    return seconds > limit + OVERDUE_MARGIN_SECONDS
