"""What the ledger asks of others, and does not know who they are: who publishes, which queues
there are, what follows a run, who hears of its end.

Messages and Celery's callbacks are no part of the ledger. Whoever does these things says so, once,
when the application is ready (:func:`connect`). Without anybody the ledger is whole all the same:
what is unpublished waits for a relay, every queue may be named, and nothing follows.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from neural.models import RunState, TaskRun
from neural.models.new_run import NewRun

AnyRun: TypeAlias = TaskRun | NewRun
Announce: TypeAlias = Callable[[Sequence[AnyRun]], None]
HasQueue: TypeAlias = Callable[[str], bool]
Follow: TypeAlias = Callable[[TaskRun, RunState, Any], None]


def _left_to_the_relay(runs: Sequence[AnyRun]) -> None:
    """A relay publishes what nobody has published by the time that its row names."""


def _every_queue(name: str) -> bool:
    """A queue is a column of the ledger; whether somebody reads it is not known here."""
    return True


def _nothing(run: TaskRun, state: RunState, value: Any) -> None:
    """Nothing follows a run."""


announce: Announce = _left_to_the_relay
"""These runs are being recorded, in the transaction that is open here, and are due: publish their
messages when it commits. It must neither raise nor keep the caller waiting."""
has_queue: HasQueue = _every_queue
"""Whether a run may be sent to the queue of this name."""
follow: Follow = _nothing
"""A run that was called with options is in this state now, with this value if it has succeeded:
record what they ask for then. Called in the transaction of its outcome, so that nothing is lost or
doubled; an error undoes that."""


def connect(*, announcing: Announce, having_queue: HasQueue, following: Follow) -> None:
    """Say who does these things, in the place of who did them before."""
    global announce, has_queue, follow
    announce, has_queue, follow = announcing, having_queue, following


_listeners: dict[str, Callable[[TaskRun], object]] = {}


def when_ended(task: str, call: Callable[[TaskRun], object]) -> None:
    """Have this called for each run of a task that has succeeded or is dead, in the transaction of
    its outcome. What it raises undoes that."""
    _listeners[task] = call


def notify_end(run: TaskRun, state: RunState) -> None:
    """Call who hears of this run's task, if it has ended."""
    call = _listeners.get(run.task)
    if call is not None and state in (RunState.SUCCEEDED, RunState.DEAD):
        call(run)
