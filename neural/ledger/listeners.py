"""Who hears that runs of a task have ended, in the transaction of their outcome."""

from collections.abc import Callable

from neural.models import RunState, TaskRun

_listeners: dict[str, Callable[[TaskRun], object]] = {}


def when_ended(task: str, call: Callable[[TaskRun], object]) -> None:
    """Have this called for each run of a task that has succeeded or is dead. What it raises
    undoes the outcome."""
    _listeners[task] = call


def tell(run: TaskRun, state: RunState) -> None:
    """Call who hears of this run's task, if it has ended."""
    call = _listeners.get(run.task)
    if call is not None and state in (RunState.SUCCEEDED, RunState.DEAD):
        call(run)
