"""Claims runs for a worker, by a conditional UPDATE that only one worker can win.

A claim writes a fencing token. Every later change by the worker (succeed, fail, release) needs that
token, so a worker that was marked lost and wakes up again cannot change the run. A claim is
committed before the work starts. As part of the work's transaction it would vanish when the process
dies, and the lost deliveries of a poison run would never be counted.

A row may contain JSON that this process cannot read: nested too deep for Python, because it was
recorded by a release that did not check this, or written by hand. Such a row would stop every run
that was claimed with it, so after an error the claimed runs are read one by one, and the unreadable
one alone is dead.

A worker sets its row (:func:`set_own_worker`) before its pool is forked, so all processes of the
pool know for whom they claim.
"""

import datetime as dt
import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.ledger import dialects
from neural.ledger.dialects import drop_cursors, postgresql, retry_until
from neural.ledger.execute import settle_in_time
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.outcome import failed, log_outcomes
from neural.ledger.work import Clock
from neural.ledger.work_errors import describe
from neural.models import NeuralEvent, RunState, TaskRun, WorkerProcess

logger = logging.getLogger(__name__)

Fragment = tuple[str, list[Any]]
"""A piece of SQL and its parameters."""
_CHANGES = """state = 'running', token = %s, worker_id = %s, process_id = %s,
    finished_at = NULL, unique_key = NULL"""
NOT_OF_A_ROW = (OperationalError, InterfaceError, SoftTimeLimitExceeded, MemoryError)
"""Errors of a claim that no row has caused."""
_DUE = "WHERE queue = %s AND state = 'pending'"
MOST_LOSSES_IN_TURN = 1
"""Runs that were lost more often are claimed alone. When a process dies, of those that it executes
in turn only the one at work is lost; when its worker dies, all are."""
FRONT = 4
"""How many due runs are looked at for each that a claim may take in turn."""
_JSON = ("args", "kwargs", "options", "result")
_worker: WorkerProcess | None = None


@dataclass(frozen=True)
class Claimant:
    """Who claims runs: the primary key of a worker's row, and the process that does the work."""

    worker_id: int | None = None
    process_id: int = field(default_factory=os.getpid)


def claim(
    *,
    task_id: str,
    claimant: Claimant,
    task: str = "",
    queue: str = "",
    batchable: Sequence[str] = (),
    limit: int = 1,
    in_turn: bool = False,
    waits: bool = False,
    now: dt.datetime | None = None,
) -> list[TaskRun]:
    """Claim the run of this task id, if it is due, together with other due runs as one batch.

    ``task`` is the message's task, if known: a run of another task is not claimed. The batch
    consists of due runs of the handlers named in ``batchable`` on ``queue``, most urgent first, up
    to ``limit`` runs in all. A run that has failed or was lost before is claimed alone: if it is
    poison, it would take its neighbours down. So is a run with options that are limits, because
    its limits must hold for it alone. The handler of a task's own runs is empty. With ``in_turn``
    the runs are to be executed in transactions of their own: one that has failed, or was lost once
    (:data:`MOST_LOSSES_IN_TURN`), disturbs no neighbour, and those of ``task`` among the first due
    ones of the queue are taken.

    Where the database can do without, the claim of runs of ``batchable`` does not wait for the
    disk, unless it ``waits``: two-step work has effects elsewhere. ``now`` replaces the database's
    current time.

    Runs of a paused queue are not claimed (:mod:`neural.queues.pausing`).

    Returns the claimed runs, with their events and stores loaded. An empty list means that the
    message came late (the run is not due, or another worker has executed or claimed it), or that
    the queue is paused.
    """
    dialect = dialects.ledger_dialect()
    moment = _moment(dialect, now)
    if batchable and limit > 1:
        chosen, parameters = _with_batch(
            dialect, task_id, task, queue, batchable, limit, in_turn, moment
        )
    else:
        chosen, parameters = _alone(dialect, _own(task_id, task), moment)
    atomic = () if waits else batchable
    runs = _claimed(dialect, chosen, parameters, claimant, atomic)
    runs.sort(key=lambda run: (run.task_id != task_id, -run.priority, run.available_at, run.pk))
    return runs


def claim_each(*, task_ids: Sequence[str], task: str, claimant: Claimant) -> list[TaskRun]:
    """Claim those of these runs of one task that are due, in one statement.

    Each is executed by itself, so it may have failed before or have limits. Left out are runs that
    were lost before, and those with a unique key, which is locked by :func:`claim` alone.
    """
    dialect = dialects.ledger_dialect()
    mine = f"{dialect.is_one_of('task_id')} AND task = %s AND losses = 0 AND unique_key IS NULL"
    own = (mine, [dialect.bound_list(task_ids), task])
    return _claimed(dialect, *_alone(dialect, own, _moment(dialect, None)), claimant)


def _claimed(
    dialect: dialects.Dialect,
    chosen: str,
    parameters: list[Any],
    claimant: Claimant,
    atomic: Sequence[str] = (),
) -> list[TaskRun]:
    token = secrets.randbits(63)
    parameters = [*parameters, token, claimant.worker_id, claimant.process_id]
    take = _take_with_events if dialect.returns_joined_rows else _take
    try:
        try:
            return take(dialect, chosen, parameters, atomic)
        except NOT_OF_A_ROW:
            raise
        except Exception as error:  # noqa: BLE001 (raised again unless a row caused it)
            return read_each(token, error)
    except BaseException as error:  # whatever it is: only the database knows what was claimed
        _disown(token, error)
        raise


def _take(
    dialect: dialects.Dialect, chosen: str, parameters: list[Any], _atomic: Sequence[str]
) -> list[TaskRun]:
    statement = f"""
        {chosen}
        UPDATE neural_taskrun SET {_CHANGES}, started_at = {dialect.clock}
        WHERE {dialect.pending} AND id IN (SELECT id FROM chosen)
        RETURNING *
    """
    with dialect.writing(dialects.ledger_connection()):
        runs = list(TaskRun.objects.raw(statement, parameters))
    _load_events(runs)
    return runs


def _take_with_events(
    dialect: dialects.Dialect, chosen: str, parameters: list[Any], atomic: Sequence[str]
) -> list[TaskRun]:
    """Claim runs and read their events in the same statement."""
    connection = dialects.ledger_connection()
    unhurried, more_parameters = _not_waiting_for_the_disk(dialect, atomic)
    statement = f"""
        {chosen}
        UPDATE neural_taskrun AS run SET {_CHANGES}, started_at = {dialect.clock}
        FROM chosen {postgresql.JOINS}
        WHERE run.{dialect.pending} AND run.id = chosen.id
        RETURNING {postgresql.columns()}, {unhurried}
    """
    with dialects.preparing_cursor() as cursor:
        cursor.execute(statement, [*parameters, *more_parameters])
        return postgresql.runs_of(cursor.fetchall(), connection)


def _not_waiting_for_the_disk(
    dialect: dialects.Dialect, atomic: Sequence[str]
) -> tuple[str, list[Any]]:
    """SQL that lets the commit of an atomic run's claim not wait for the disk, and its parameters.

    The later commit of the work's effects waits for the disk, and writes the claim, too. If the
    server's machine fails in between, the claim is lost together with the effects, and the run is
    pending again. Two-step work has effects elsewhere, so its claim must survive.

    The setting holds for the statement's own transaction. Within a caller's transaction (tests) it
    would also hold for that one's commit, so it is not used there.
    """
    if not atomic or dialects.ledger_connection().in_atomic_block:
        return "NULL", []
    are_atomic = dialect.is_one_of("run.handler")
    return dialect.not_waiting_for_the_disk(are_atomic), [dialect.bound_list(atomic)]


def _disown(token: int, error: BaseException) -> None:
    """Make the runs that were claimed with this token pending again, after this error.

    A connection may break after the claim was committed. The process is alive but does not know of
    the runs, so nobody would finish them. A caller's transaction (tests) is rolled back anyway.
    """
    connection = dialects.ledger_connection()
    if connection.in_atomic_block:
        return
    drop_cursors(error)
    connection.close()
    retry_until(partial(give_back, token), seconds=conf().settle_seconds)


def give_back(token: int, keys: Sequence[int] | None = None) -> None:
    """Make the runs that were claimed with this token and are not settled pending again, all of
    them or those with these keys. A relay publishes them within a second."""
    claimed = TaskRun.objects.running().filter(token=token)
    if keys is not None:
        claimed = claimed.filter(pk__in=keys)
    claimed.update(state=RunState.PENDING, token=None, publish_at=Now())


def _moment(dialect: dialects.Dialect, now: dt.datetime | None) -> Fragment:
    return (dialect.clock, []) if now is None else ("%s", [dialect.moment(now)])


def _paused(queue: str, moment: str) -> str:
    """A condition that the queue of this SQL expression is paused.

    It is part of the claim's own statement, so a pause holds for every claim that begins after the
    pause was committed. It costs a lookup in a table of a few rows.
    """
    return f"""EXISTS (SELECT 1 FROM neural_queuepause AS pause
        WHERE pause.queue = {queue} AND (pause.until IS NULL OR pause.until > {moment}))"""


def _own(task_id: str, task: str) -> Fragment:
    """A condition that finds the message's own run: by its task id, and by its task if given."""
    return ("task_id = %s AND task = %s", [task_id, task]) if task else ("task_id = %s", [task_id])


def _alone(dialect: dialects.Dialect, mine: Fragment, now: Fragment) -> Fragment:
    own, own_parameters = mine
    moment, parameters = now
    statement = f"""
        WITH chosen AS (SELECT id, event_id FROM neural_taskrun AS run WHERE {own}
            AND {dialect.pending} AND available_at <= {moment}
            AND NOT {_paused("run.queue", moment)} AND {dialect.nobody_holds_its_key})
    """
    return statement, [*own_parameters, *parameters, *parameters]


def _with_batch(
    dialect: dialects.Dialect,
    task_id: str,
    task: str,
    queue: str,
    batchable: Sequence[str],
    limit: int,
    in_turn: bool,
    now: Fragment,
) -> Fragment:
    own, own_parameters = _own(task_id, task)
    moment, now_parameters = now
    front, due, of_due = "", _DUE, [queue]
    if in_turn:
        front, due, of_due = _front(dialect, queue, task, limit, now)
    most = MOST_LOSSES_IN_TURN if in_turn else 0
    counts = "losses" if in_turn else "failures + losses"
    statement = f"""
        WITH own AS (
            SELECT id, event_id, {counts} > {most} OR NOT {dialect.no_limits}
                OR NOT ({dialect.is_one_of("handler")}) AS alone
            FROM neural_taskrun AS run
            WHERE {own} AND {dialect.pending} AND available_at <= {moment}
              AND NOT {_paused("run.queue", moment)} AND {dialect.nobody_holds_its_key}
              {dialect.skip_locked}
        ){front}, batch AS (
            SELECT id, event_id FROM neural_taskrun {due} AND available_at <= {moment}
              AND {counts} <= {most} AND {dialect.no_limits}
              AND {dialect.is_one_of("handler")} AND task_id <> %s
              AND NOT EXISTS (SELECT 1 FROM own WHERE alone)
              AND NOT {_paused("%s", moment)}
            ORDER BY priority DESC, available_at LIMIT %s {dialect.skip_locked}
        ), chosen AS (
            SELECT id, event_id FROM own UNION ALL SELECT id, event_id FROM batch
        )
    """
    names = dialect.bound_list(batchable)
    return statement, [
        *(names, *own_parameters, *now_parameters, *now_parameters, *of_due),
        *(*now_parameters, names, task_id, queue, *now_parameters, limit - 1),
    ]


def _front(
    dialect: dialects.Dialect, queue: str, task: str, limit: int, now: Fragment
) -> tuple[str, str, list[Any]]:
    """SQL of the first due runs of a queue, how to find those of a task among them, and the
    parameters.

    Without it, a task's runs would be looked for in all of a backlog of other tasks.
    """
    moment, parameters = now
    statement = f""", front AS MATERIALIZED (
            SELECT id AS front_id, task AS front_task FROM neural_taskrun
            WHERE queue = %s AND state = 'pending' AND available_at <= {moment}
            ORDER BY priority DESC, available_at LIMIT %s
        )"""
    due = "JOIN front ON front_id = id AND front_task = %s"
    due += f" WHERE {dialect.pending} AND unique_key IS NULL"  # nobody holds it
    return statement, due, [queue, *parameters, limit * FRONT, task]


def _load_events(runs: Sequence[TaskRun]) -> None:
    wanted = {run.event_id for run in runs if run.event_id is not None}
    if not wanted:
        return
    events = NeuralEvent.objects.select_related("store").in_bulk(wanted)
    for run in runs:
        if run.event_id is not None:
            run.event = events[run.event_id]


# Rows that cannot be read


class RunUnreadable(PermanentError):
    """A run, or its event, cannot be read."""


def read_each(token: int, error: Exception) -> list[TaskRun]:
    """Read the runs claimed with this token one by one, after reading them together has failed.

    Returns the readable runs; the others are dead. If no run was claimed, ``error`` had another
    cause and is raised.
    """
    logger.warning("event=claim_read_one_by_one error=%r", describe(error))
    taken = list(TaskRun.objects.running().filter(token=token).defer(*_JSON))
    if not taken:
        raise error
    readable = []
    for run in taken:
        try:
            row = TaskRun.objects.filter(pk=run.pk)
            for name in _JSON:
                setattr(run, name, _value(row, name, f"its {name}"))
            if run.event_id is not None:
                event = NeuralEvent.objects.filter(pk=run.event_id)
                run.event = event.defer("payload").select_related("store").get()
                run.event.payload = _value(event, "payload", "the payload of its event")
        except RunUnreadable as unreadable:
            _bury(run, unreadable)
        else:
            readable.append(run)
    return readable


def _value(row: Any, column: str, what: str) -> Any:
    try:
        return row.values_list(column, flat=True).get()
    except NOT_OF_A_ROW:
        raise
    except Exception as error:
        raise RunUnreadable(f"{what} cannot be read: {describe(error)}") from error


def _bury(run: TaskRun, error: RunUnreadable) -> None:
    for name in _JSON:
        run.__dict__.setdefault(name, {})  # else Django would read the deferred column again
    clock = Clock.of(run)
    outcome = failed(run, error, None, clock.now(), clock)
    settle_in_time([outcome])
    log_outcomes([outcome])


# Whose runs this process claims


def set_own_worker(worker: WorkerProcess | None) -> None:
    """Set the worker to which this process belongs, or None."""
    global _worker
    _worker = worker


def own_worker() -> WorkerProcess | None:
    """The row of this process's worker, or None."""
    return _worker


def own_claimant() -> Claimant:
    """The claimant for runs that this process claims."""
    return Claimant(worker_id=_worker.pk if _worker else None)


def own_queues() -> Sequence[str]:
    """The queues that this process's worker reads; empty outside of a worker."""
    return _worker.queues if _worker else ()
