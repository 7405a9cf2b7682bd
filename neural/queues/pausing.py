"""How runs make way: those of a paused queue wait, and long work yields to other due runs.

**Pausing.** The runs of a paused queue wait, while submitting goes on. Relays publish nothing for
such a queue, and workers claim nothing of it: they drop messages that are in the broker already,
and the runs stay pending. Runs that have started go on. A pause is a row, so it survives a restart
of everything, and ends by itself if it has an end.

The claim looks at the pauses in its own statement. A claim that began just before the pause was
committed cannot see it, so :func:`pause` waits for those to end: once it has returned, no run of
the queue starts.

**Yielding.** Long work that can wait (indexing) makes room for other due runs of its workers. It is
done in slices. After each batch, a slice checks whether other work is due, and then ends. While a
backlog of other work waits, the next slice starts later.
"""

import datetime as dt
import logging
import time
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from neural.kit.conf import conf
from neural.kit.errors import NeuralError
from neural.ledger import claim, dialects, ports
from neural.ledger.clock import database_clock
from neural.ledger.work import current_run
from neural.models import QueuePause, RunState, TaskRun, WorkerProcess
from neural.queues import PRIORITIES
from neural.queues.models import QueuePauseQuerySet
from neural.runs.models.run import TaskRunQuerySet
from neural.runs.models.run_log import pairs

logger = logging.getLogger(__name__)

LONGEST_REASON = 200
CLAIMS_END_SECONDS = 5
"""How long :func:`pause` waits for claims under way, each of which is one statement."""
LOOK_SECONDS = 0.02
RUNS_A_TURN = 1000
PASSING_SECONDS = 1.0
"""A run that has been due for less than this is probably about to be claimed."""
LEAST_URGENT = min(PRIORITIES)


class PauseRefused(NeuralError):
    """A queue cannot be paused like this; the text says why."""


def pause(*, queue: str, reason: str, by: str, until: dt.datetime | None = None) -> QueuePause:
    """Pause a queue, or change the reason and end of its pause.

    ``by`` names who asks. Without ``until`` the pause lasts until :func:`resume`. Raises
    :class:`PauseRefused` for a queue that does not exist, without a reason, or with an end that has
    passed.
    """
    reason = " ".join(reason.split())
    if not ports.has_queue(queue) and not TaskRun.objects.due().filter(queue=queue).exists():
        raise PauseRefused(_("There is no queue %(queue)s.") % {"queue": repr(queue)})
    if not reason:
        raise PauseRefused(_("A pause needs a reason, which everybody sees."))
    if len(reason) > LONGEST_REASON:
        raise PauseRefused(
            _("The reason has %(length)d characters; at most %(most)d are kept.")
            % {"length": len(reason), "most": LONGEST_REASON}
        )
    if until is not None and until <= database_clock():
        raise PauseRefused(_("The end of the pause has passed already."))
    wanted = {"reason": reason, "until": until, "paused_by": by}
    with transaction.atomic():
        if not QueuePause.objects.in_force().filter(pk=queue).update(**wanted):
            QueuePause.objects.update_or_create(queue=queue, defaults={**wanted, "since": Now()})
        paused = QueuePause.objects.get(pk=queue)
        transaction.on_commit(lambda: _await_claims_under_way(queue), robust=True)
    ends = until.astimezone(dt.UTC).isoformat(timespec="seconds") if until else "resumed"
    facts = {"queue": queue, "by": by, "until": ends, "reason": reason}
    _log_on_commit("event=queue_paused %s", facts)
    return paused


def resume(*, queue: str, by: str) -> bool:
    """End the pause of a queue now; its runs start within seconds. Returns whether it was
    paused."""
    resumed = QueuePause.objects.in_force().filter(pk=queue).update(until=Now())
    if resumed:
        _log_on_commit("event=queue_resumed %s", {"queue": queue, "by": by})
    return bool(resumed)


def pauses(now: dt.datetime | None = None) -> QueuePauseQuerySet:
    """The pauses in force (at the database's current time unless ``now`` is given)."""
    return QueuePause.objects.in_force(now)


def without_paused(runs: TaskRunQuerySet, now: dt.datetime | None = None) -> TaskRunQuerySet:
    """These runs without those of paused queues."""
    return runs.exclude(queue__in=pauses(now).values("queue"))


def finish_ended_pauses() -> None:
    """Make the runs due for a message whose messages were dropped during pauses that have ended.

    This is a duty of relays; several at once do no harm. Without it such a run would wait until
    its message's lease has expired.
    """
    for ended in QueuePause.objects.ended():
        with transaction.atomic():
            dropped = _dropped(ended).select_for_update(skip_locked=True)
            keys = list(dropped.values_list("pk", flat=True)[:RUNS_A_TURN])
            TaskRun.objects.filter(pk__in=keys, state=RunState.PENDING).update(publish_at=Now())
        # The row stays while there are more, and if the queue was paused again meanwhile.
        row = QueuePause.objects.ended().filter(pk=ended.pk)
        if len(keys) < RUNS_A_TURN and row.delete()[0]:
            logger.info("event=queue_pause_ended %s", pairs({"queue": ended.queue}))


def _dropped(ended: QueuePause) -> TaskRunQuerySet:
    """Due runs of the queue whose messages were sent before the pause ended.

    A message that a relay has sent since then has a lease that ends later.
    """
    assert ended.until is not None
    lease = max(conf().republish_seconds, conf().republish_lease_seconds)
    return (
        TaskRun.objects.due()
        .filter(queue=ended.queue, created_at__lte=ended.until, publish_at__gt=Now())
        .filter(publish_at__lte=ended.until + dt.timedelta(seconds=lease))
        .order_by("publish_at")
    )


def _await_claims_under_way(queue: str) -> None:
    """Wait for claims that began before the pause was committed."""
    dialect, deadline = dialects.ledger_dialect(), time.monotonic() + CLAIMS_END_SECONDS
    with dialects.ledger_connection().cursor() as cursor:
        before = dialect.claims_under_way(cursor)
        while before and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            before &= dialect.claims_under_way(cursor)
    if before:
        logger.warning("event=claims_still_under_way queue=%s claims=%d", queue, len(before))


def _log_on_commit(line: str, facts: dict[str, str]) -> None:
    transaction.on_commit(lambda: logger.info(line, pairs(facts)), robust=True)


# Yielding


def others_wait(*, least_priority: int | None = None) -> bool:
    """Whether other work is due on a queue that this worker reads.

    Only runs of other tasks count, with at least ``least_priority`` (by default the priority of the
    run that is being executed here). False outside of a worker's run.
    """
    run, queues = current_run(), claim.own_queues()
    if run is None or not queues:
        return False
    priority = run.priority if least_priority is None else least_priority
    return _due_besides(run.task, queues, priority).exists()


def backlog_waits(*, task: str, queue: str, least_priority: int) -> bool:
    """Whether other tasks have a backlog at the workers that read this queue.

    There is a backlog if more runs of at least ``least_priority`` are due than one message claims
    in a batch, or if one has been due for :data:`PASSING_SECONDS` or longer.
    """
    due = _due_besides(task, _read_beside(queue), least_priority)
    passing = conf().batch_claim_runs
    times = list(due.values_list("available_at", Now())[: passing + 1])
    late = dt.timedelta(seconds=PASSING_SECONDS)
    return len(times) > passing or any(now - due_at >= late for due_at, now in times)


def _due_besides(task: str, queues: Sequence[str], least_priority: int) -> TaskRunQuerySet:
    due = TaskRun.objects.due().filter(queue__in=queues, priority__gte=least_priority)
    return due.exclude(task=task)


def _read_beside(queue: str) -> list[str]:
    """All queues that are read by living workers that read this queue."""
    alive = WorkerProcess.objects.alive(conf().worker_lost_seconds)
    read = [queues for queues in alive.values_list("queues", flat=True) if queue in queues]
    return sorted({queue, *(each for queues in read for each in queues)})
