"""Taking runs: a conditional UPDATE that only one worker can win.

A claim writes a fencing token. Whatever the worker does later with the run (succeed,
fail, hand back) needs that token, so that a worker thought dead that wakes up changes
nothing. A claim is committed before the work starts: were it part of the work's
transaction, a process that dies would leave no trace and a poison would never be counted.
"""

import datetime as dt
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now

from neural.conf import conf
from neural.models import NeuralEvent, RunState, TaskRun
from neural.runs import sql
from neural.runs.patience import insist


@dataclass(frozen=True)
class Claimant:
    """Who takes runs: a worker's row and the process that does the work."""

    worker_id: int | None = None
    process_id: int = field(default_factory=os.getpid)


def claim(
    *,
    task_id: str,
    claimant: Claimant,
    queue: str = "",
    companions: Sequence[str] = (),
    limit: int = 1,
    now: dt.datetime | None = None,
) -> list[TaskRun]:
    """Take the run of this task id, if it is due, and take along what else is.

    Taken along are due runs of the handlers named in ``companions`` on the same queue,
    most urgent first, ``limit`` runs in all. A run that was delivered before is taken
    alone: were it poison, it would condemn its neighbours; and so is one with options, whose
    limits are for it alone. An empty list means that the
    message came late: somebody else has done the work or is at it.
    """
    if companions and limit > 1:
        chosen, parameters = _with_companions(task_id, queue, companions, limit, now)
    else:
        chosen, parameters = _alone(task_id, now)
    statement = f"""
        {chosen}
        UPDATE neural_taskrun
        SET state = 'running', token = %s, worker_id = %s, process_id = %s,
            started_at = {sql.clock()}, finished_at = NULL, unique_key = NULL
        WHERE state = 'pending' AND id IN (SELECT id FROM chosen)
        RETURNING *
    """
    token = secrets.randbits(63)
    parameters += [token, claimant.worker_id, claimant.process_id]
    try:
        runs = list(TaskRun.objects.raw(statement, parameters))
        _load_events(runs)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        _disown(token)
        raise
    runs.sort(key=lambda run: (run.task_id != task_id, -run.priority, run.available_at, run.pk))
    return runs


def _disown(token: int) -> None:
    """Return what this token took, if anything: a connection that broke may have broken after
    the claim was committed, and a run that its living process does not know of would be
    nobody's. A caller's transaction (tests) needs nothing: it is rolled back."""
    connection = sql.ledger_connection()
    if connection.in_atomic_block:
        return
    connection.close()
    taken = TaskRun.objects.running().filter(token=token)
    back = {"state": RunState.PENDING, "token": None, "publish_at": Now()}
    insist(lambda: taken.update(**back), seconds=conf().settle_seconds)


def _due(now: dt.datetime | None) -> tuple[str, list[object]]:
    if now is None:
        return f"state = 'pending' AND available_at <= {sql.clock()}", []
    return "state = 'pending' AND available_at <= %s", [sql.moment(now)]


def _alone(task_id: str, now: dt.datetime | None) -> tuple[str, list[object]]:
    due, parameters = _due(now)
    statement = f"WITH chosen AS (SELECT id FROM neural_taskrun WHERE task_id = %s AND {due})"
    return statement, [task_id, *parameters]


def _with_companions(
    task_id: str, queue: str, companions: Sequence[str], limit: int, now: dt.datetime | None
) -> tuple[str, list[object]]:
    due, due_parameters = _due(now)
    statement = f"""
        WITH own AS (
            SELECT id, failures + losses > 0 OR options <> '{{}}'
                OR NOT ({sql.is_one_of("handler")}) AS alone
            FROM neural_taskrun WHERE task_id = %s AND {due} {sql.skip_locked()}
        ), along AS (
            SELECT id FROM neural_taskrun
            WHERE queue = %s AND {due} AND failures = 0 AND losses = 0 AND options = '{{}}'
              AND {sql.is_one_of("handler")} AND task_id <> %s
              AND NOT EXISTS (SELECT 1 FROM own WHERE alone)
            ORDER BY priority DESC, available_at LIMIT %s {sql.skip_locked()}
        ), chosen AS (SELECT id FROM own UNION ALL SELECT id FROM along)
    """
    names = sql.bound_list(companions)
    return statement, [
        *(names, task_id, *due_parameters),
        *(queue, *due_parameters, names, task_id, limit - 1),
    ]


def _load_events(runs: Sequence[TaskRun]) -> None:
    wanted = {run.event_id for run in runs if run.event_id is not None}
    if not wanted:
        return
    events = NeuralEvent.objects.select_related("store").in_bulk(wanted)
    for run in runs:
        if run.event_id is not None:
            run.event = events[run.event_id]
