"""Executes claimed runs one after the other, each in its own transaction, with one wait in the end.

A commit waits for the disk several times as long as a quick run takes. The effects and the outcome
of atomic work are one transaction, so it need not wait: a server that crashes loses both, and the
run is done again. The outcome of two-step work may be lost while its effects stay, but its process
still knows it and records it again. So the runs commit without waiting, and in the end one commit
waits, which makes all of them durable. Whoever reads a row may see a success some milliseconds
before that.

What tells others of a run leaves only then: the hooks of ``transaction.on_commit`` (the messages of
followers are among them), log lines, and what the caller does with the outcomes. A run that wrote
to another database waits for its own commit. On SQLite, each commit waits.
"""

import logging
from collections.abc import Hashable, Sequence
from functools import partial

from neural.kit.conf import conf
from neural.ledger import dialects, execute, ports
from neural.ledger.claim import give_back
from neural.ledger.execute import Unflushed, drop_broken_connection, run_alone, settle_in_time
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.outcome import Outcome, log_outcomes, log_started, skipped
from neural.ledger.settle import Fenced
from neural.ledger.work import Clock, WorkSource
from neural.models import RunState, TaskRun

logger = logging.getLogger(__name__)

LENIENCE = 2
"""As many are claimed as should fit in one message's time; giving some back costs a message each.
"""


def run_in_turn(source: WorkSource, runs: Sequence[TaskRun], *, own: str) -> list[Outcome]:
    """Execute claimed runs of one work and record their outcomes; returns the outcomes.

    ``own`` is the task id of the message that led to them: Celery itself announces that run. When
    they take :data:`LENIENCE` times as long as one message may (``batch_claim_seconds``), or the
    soft time limit was reached, the others are pending again: Celery raises the limit once a
    delivery.
    """
    clock = Clock.of(runs[0])
    log_started(runs)
    connection = dialects.ledger_connection()
    may_leave_disk = dialects.ledger_dialect().flushes and not connection.in_atomic_block
    unflushed: list[Unflushed] | None = [] if may_leave_disk and len(runs) > 1 else None
    done: dict[int, Outcome] = {}
    at_work: TaskRun | None = None
    ports.note_waiting(runs[1:], waiting=True)
    try:
        for run in runs:
            if done and _is_over(next(reversed(done.values())), clock):
                break
            if done and ports.note_waiting([run], waiting=False):
                continue  # it waited for so long that a relay has released it
            at_work = run
            is_own = run.task_id == own
            if not is_own:
                source.begins(run)
            done[run.pk] = last = run_alone(source, run, clock, unflushed)
            if not is_own:
                source.ends(last)
            at_work = None
        seconds = clock.seconds()
        if len(done) == 1 and dialects.ledger_dialect().flushes:  # less its own wait for the disk
            seconds = (last.finished_at - last.started_at).total_seconds()
        execute.learn(pace_of(last.run.task, last.run.handler), runs=len(done), seconds=seconds)
    except Exception:
        at_work = None
        raise
    finally:
        for lost in _flush(unflushed) if unflushed else ():
            done.pop(lost, None)
        # If the process is being ended, the run at work counts a lost delivery.
        left = [run.pk for run in runs if run.pk not in done and run is not at_work]
        if left:
            assert runs[0].token is not None  # for the type checker: they have been claimed
            settle_in_time([], partial(give_back, runs[0].token, left))
    outcomes = [done.get(run.pk) or skipped(run, clock) for run in runs]
    if unflushed is not None:
        log_outcomes(outcomes)
    return outcomes


def pace_of(task: str, handler: str) -> Hashable:
    """The key of a task's or handler's pace for :func:`neural.ledger.execute.fitting`."""
    return task, handler


def _is_over(last: Outcome, clock: Clock) -> bool:
    is_late = clock.seconds() > LENIENCE * conf().batch_claim_seconds
    return is_late or isinstance(last.exception, SoftTimeLimitExceeded)


# The disk


def _flush(unflushed: Sequence[Unflushed]) -> set[int]:
    """Make these outcomes durable, then call their hooks. Returns the keys of the runs whose
    outcomes are lost, because the server has crashed since."""
    outcomes = [each.outcome for each in unflushed]
    kept: set[int] = set()
    lost: set[int] = set()

    def look() -> None:
        with dialects.ledger_connection().cursor() as cursor:
            dialects.ledger_dialect().flush(cursor)
        started = {outcome.run.pk: outcome.started_at for outcome in outcomes}
        found = TaskRun.objects.filter(pk__in=started, state=RunState.SUCCEEDED)
        # A run that another worker has done again meanwhile has another start.
        kept.update({pk for pk, at in found.values_list("pk", "started_at") if at == started[pk]})

    try:
        settle_in_time(outcomes, look)
    except SoftTimeLimitExceeded as error:  # it is raised once
        drop_broken_connection(error)
        settle_in_time(outcomes, look)
    for outcome, hooks, is_atomic in unflushed:
        if outcome.run.pk in kept:
            for hook in hooks:
                hook()
        elif is_atomic or not _is_settled_again(outcome):
            lost.add(outcome.run.pk)
    if lost:
        logger.warning("event=outcomes_lost runs=%d of=%d", len(lost), len(outcomes))
    return lost


def _is_settled_again(outcome: Outcome) -> bool:
    """Record the outcome of two-step work again, whose claim waited for the disk."""
    try:
        settle_in_time([outcome])
    except Fenced:
        return False
    return True
