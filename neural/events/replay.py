"""Replay: records runs of handlers that were registered after an event was recorded."""

from collections.abc import Sequence

from django.db import transaction

from neural.events.answers import EventPruned
from neural.events.recording import EVENT_TASK
from neural.events.registry import handlers_of
from neural.events.types import event_type
from neural.ledger import ports
from neural.models import NeuralEvent, TaskRun
from neural.models.new_run import new_run


def missing_handlers(event: NeuralEvent) -> Sequence[str]:
    """Names of the handlers of the event's type that have no run for this event."""
    have = set(event.runs.values_list("handler", flat=True))
    return [each.name for each in handlers_of(event.type) if each.name not in have]


def replay(event: NeuralEvent, *, requested_by: str = "") -> Sequence[TaskRun]:
    """Record a run for each handler of the event's type that has none; returns the new runs.

    The runs are recorded in the caller's transaction and published on commit. Existing runs are
    left alone; a dead run can be retried instead. Two replays at the same time record each run
    once. Raises :class:`EventPruned` if the payload was pruned, and EventTypeUnknown if no
    installed app registers the type any more.
    """
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned; its handlers cannot run")
    wanted = [_run_of(event, name, requested_by) for name in missing_handlers(event)]
    with transaction.atomic():
        made = _insert(wanted)
        if handlers_of(event.type):
            NeuralEvent.objects.unhandled().filter(pk=event.pk).update(unhandled=False)
            event.unhandled = False
    ports.announce(made)
    return made


def _run_of(event: NeuralEvent, handler: str, requested_by: str) -> TaskRun:
    kind = event_type(event.type)
    return new_run(
        task=EVENT_TASK,
        handler=handler,
        event_id=event.pk,
        store=event.store_id,
        queue=kind.queue,
        priority=kind.priority,
        requested_by=requested_by,
    ).row()


def _insert(runs: Sequence[TaskRun]) -> Sequence[TaskRun]:
    """Insert runs, and return those that were inserted: a simultaneous replay may have recorded
    some of them."""
    TaskRun.objects.bulk_create(runs, ignore_conflicts=True)
    return list(TaskRun.objects.filter(task_id__in=[run.task_id for run in runs]).order_by("pk"))
