"""The Celery tasks of the ledger: names, arguments and one call into the domain code each.

Optional apps define their own tasks, and these can be imported from here, too: in messages, runs
and schedules, the name of every task begins with ``neural.tasks``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp import callbacks, chords
from neural.celeryapp.callbacks import COUNT_TASK, ERROR_CALLBACK_TASK
from neural.celeryapp.celery_view import SEND_TASK
from neural.celeryapp.event_task import EventTask
from neural.celeryapp.task import ACCUMULATE_TASK, EACH_TASK, EachTask, LedgerTask
from neural.celeryapp.task import call_each as call_task_for_each
from neural.events.recording import EVENT_TASK
from neural.events.submit import submit
from neural.kit.optional import TASKS, look_up
from neural.ledger.record import BY_MESSAGE
from neural.ledger.retry import RetryPolicy
from neural.models import EntryPoint
from neural.runs.bulk import acting
from neural.runs.bulk.deciding import ACT_TASK

# A person waits for it, and can resume it: it is dead, and says so, after some minutes.
_SOON = RetryPolicy(max_retries=6, base_seconds=2, cap_seconds=60)


def __getattr__(name: str) -> Any:
    return look_up(__name__, TASKS, name)


@shared_task(base=EventTask, name=EVENT_TASK, title=_("Process an event"))
def process_neural_event(
    event_id: str,
    event_type: str,
    event_source: str,
    store_id: str,
    data: Mapping[str, Any],
    priority: int | None = None,
) -> str:
    """Submit an event that came as a message; returns 'new' or 'duplicate'.

    Raises :class:`neural.EventRefused` if the event is refused. The runs of recorded events belong
    to this task, too; they call the event's handler instead of this function.
    """
    answer = submit(
        type=event_type,
        store=store_id,
        source=event_source,
        event_id=event_id,
        payload=data,
        priority=priority,
        requested_by=BY_MESSAGE,
        entry_point=EntryPoint.MESSAGE,
    )
    answer.or_raise()
    return str(answer.verdict)


@shared_task(base=LedgerTask, name=SEND_TASK, title=_("Send the task that follows"))
def send_signature(
    following: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]
) -> str:
    """Send the plain task or the canvas that follows a ledger task; returns the id of its result
    (empty for a group)."""
    return callbacks.send(following, args, options)


@shared_task(base=LedgerTask, name=ERROR_CALLBACK_TASK, title=_("Call an error callback"))
def call_error_callback(callback: Mapping[str, Any], task_id: str) -> None:
    """Call an error callback (a function of three arguments) for a dead run."""
    callbacks.call_error_callback(callback, task_id)


@shared_task(base=LedgerTask, name=COUNT_TASK, title=_("Tell of a chord's task that has ended"))
def count_in_chord(member: Mapping[str, Any], error: str) -> None:
    """Tell the result backend that counts a plain client's chord that a task of its header has
    ended; ``error`` says why one never started."""
    chords.count(member, error)


@shared_task(base=EachTask, name=EACH_TASK, title=_("Call a task for each item"))
def call_each(task: str, items: Sequence[Any], stars: bool) -> list[Any]:
    """Call a ledger task for each item, one after the other (``task.map``, ``starmap``,
    ``chunks``); returns their values."""
    return call_task_for_each(task, items, stars=stars)


@shared_task(base=LedgerTask, name=ACCUMULATE_TASK, title=_("Return the results of a group"))
def accumulate(results: list[Any]) -> list[Any]:
    """Return the results of a group by which a task was replaced: they are its own."""
    return results


@shared_task(base=LedgerTask, name=ACT_TASK, title=_("Act on many runs"), retry_policy=_SOON)
def act_on_runs(action_id: int) -> dict[str, Any]:
    """Do the next slices of a bulk action; returns its counts."""
    return acting.act(action_id=action_id)
