"""The runs of the ledger that do a bulk action's slices."""

from neural.ledger.pausing import pauses
from neural.ledger.record import enqueue
from neural.models import BulkAction
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, LOW_PRIORITY_QUEUE

ACT_TASK = "neural.tasks.act_on_runs"


def ask_for_slices(action: BulkAction) -> None:
    """Record a run that does the next slices, in the caller's transaction, unless one waits.

    A second run at the same time does no harm: each slice begins where the one before ended.
    """
    run = enqueue(
        task=ACT_TASK,
        args=[],
        kwargs={"action_id": action.pk},
        queue=_queue(),
        priority=DEFAULT_PRIORITY,
        unique_key=f"{ACT_TASK} {action.pk}",
        requested_by=action.requested_by,
    )
    action.hand_to(run)


def _queue() -> str:
    """A queue that is not paused, if there is one: people act on runs because something is wrong.

    Not the queue of urgent work, which many runs at a time would slow down.
    """
    paused = set(pauses().values_list("queue", flat=True))
    found = (each for each in (DEFAULT_QUEUE, LOW_PRIORITY_QUEUE) if each not in paused)
    return next(found, DEFAULT_QUEUE)
