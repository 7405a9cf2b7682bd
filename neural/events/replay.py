"""Running the handlers that an event has missed: those registered after it was recorded."""

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
    """Names of the handlers of an event's type that have no run of it."""
    have = set(event.runs.values_list("handler", flat=True))
    return [each.name for each in handlers_of(event.type) if each.name not in have]


def replay(event: NeuralEvent, *, requested_by: str = "") -> Sequence[TaskRun]:
    """Record a run for each handler of an event's type that has none, and return these.

    In the caller's transaction; published on commit. Runs that exist are left alone: what
    is done is done, and what is dead is retried. Twice at once makes no run twice.
    Raises :class:`EventPruned` when the payload is gone and EventTypeUnknown when no
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
    """Those that were inserted: another replay at the same moment may have made some."""
    TaskRun.objects.bulk_create(runs, ignore_conflicts=True)
    return list(TaskRun.objects.filter(task_id__in=[run.task_id for run in runs]).order_by("pk"))
