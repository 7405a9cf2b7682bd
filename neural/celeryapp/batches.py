"""Celery's side of batches: the members that signatures become, and the callbacks of a batch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from celery import current_app, signature

from neural.batches.naming import member_id
from neural.batches.ports import Members, Outcome, checked_signature
from neural.celeryapp import callbacks, chords, frozen
from neural.celeryapp.call import OptionNotKept, taking_calls
from neural.celeryapp.celery_view import SEND_TASK
from neural.celeryapp.nested import options_of
from neural.events.insertion import EVENT_TASK
from neural.kit.stored_json import CANVAS_BYTES
from neural.ledger.record import new_task_run
from neural.models import AwaitedMember, Batch, BatchKind
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE
from neural.runs.models.new_run import NewRun

_STARTED = {
    Outcome.SUCCEEDED: ("on_success", "on_complete"),
    Outcome.FAILED: ("on_complete",),
    Outcome.CANCELLED: ("on_complete",),
    Outcome.FIRST_DEATH: ("on_death",),
}


def follow(batch: Batch, outcome: Outcome) -> None:
    """Start the body of a chord, or the callbacks of a batch, each with the batch's id."""
    if batch.kind == BatchKind.CHORD:
        callbacks.start_body(batch, outcome)
        return
    origin = callbacks.Origin(batch.batch_id, batch.batch_id)  # by which people find them
    for name in _STARTED[outcome]:
        if callback := batch.options.get(name):
            callbacks.start(origin, callback, (batch.batch_id,), {})


# Adding members


def members_of(batch_id: str, signatures: Iterable[Any]) -> Members:
    """The members that signatures become; see ``neural.batches.ports``."""
    found = Members([], [], [])
    for each in signatures:
        for one in _singly(signature(checked_signature(each), app=current_app)):
            _add(found, one, batch_id)
    return found


def _singly(given: Any) -> Iterator[Any]:
    """The signature, or the members of a group."""
    if callbacks.is_group(given):
        for each in callbacks.members(given):
            yield from _singly(each)
    else:
        yield given


def _add(found: Members, given: Any, batch_id: str) -> None:
    kind = given.get("task")
    if kind == EVENT_TASK:
        raise OptionNotKept("an event cannot be a member of a batch")
    own = None if frozen.was_called(given, {}) else options_of(given).get("task_id")
    args, kwargs = given["args"], given["kwargs"]
    dump = getattr(current_app.tasks.get(kind), "_dump_pydantic_arguments", None)
    if dump and not own:
        args, kwargs = dump(args, kwargs)
    task_id = own or member_id(batch_id, kind, args, kwargs)
    on_ledger = callbacks.begins_on_the_ledger(given)
    if on_ledger and kind != "celery.chain":
        with taking_calls() as runs:
            given.apply_async(task_id=task_id)
        found.runs.extend(runs)
        return
    options = {"task_id": task_id, "group_id": batch_id, "chord": chords.MARK}
    if on_ledger:
        with taking_calls() as runs:
            led_by = chords.before(given.apply_async(**options))
    else:
        runs = [_sending(given, options)]
        led_by = [runs[0].task_id]
    found.starters.extend(runs)
    found.awaited.append(AwaitedMember(task_id=task_id, led_by=led_by))


def _sending(given: Mapping[str, Any], options: Mapping[str, Any]) -> NewRun:
    """A run that sends a plain task, or a chain that begins with one."""
    return new_task_run(
        task=SEND_TASK,
        args=[dict(given), [], dict(options)],
        kwargs={},
        queue=DEFAULT_QUEUE,
        priority=DEFAULT_PRIORITY,
        most_bytes=CANVAS_BYTES,
    )
