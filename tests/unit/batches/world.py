"""Batches with members in any state, and what followed them."""

from typing import Any

from django.utils import timezone

from neural.batches import ending, leading, recording
from neural.ledger.outcome import Outcome
from neural.ledger.settle import settle
from neural.models import AwaitedMember, Batch, BatchKind, BatchState, RunState, TaskRun
from neural.runs.models.new_run import new_task_id
from tests.probe import canvas
from tests.unit.factories import make_run


def make_batch(
    *members: RunState, state: BatchState = BatchState.CLOSED, on=("complete",), **options: Any
) -> Batch:
    """A batch whose callbacks note their names, with a run in each of these states."""
    callbacks = {f"on_{name}": dict(canvas.note.s(name)) for name in on}
    batch = Batch(
        batch_id=new_task_id(),
        kind=BatchKind.BATCH,
        state=BatchState.OPEN,
        options={**callbacks, **options},
    )
    recording.record(batch)
    for each in members:
        make_run(each, batch=batch, task=canvas.add.name, args=[1, 2])
    Batch.objects.filter(pk=batch.pk).update(state=state)
    return now(batch)


def awaits(batch: Batch, task_id: str = "plain", **fields: Any) -> AwaitedMember:
    """A plain member of the batch."""
    return AwaitedMember.objects.create(batch_key=batch.batch_id, task_id=task_id, **fields)


def now(row: Any) -> Any:
    """The row as it is now."""
    return type(row).objects.get(pk=row.pk)


def member(batch: Batch) -> TaskRun:
    return TaskRun.objects.get(batch=batch)


def outcome_of(run: TaskRun, state: RunState = RunState.SUCCEEDED) -> Outcome:
    moment = timezone.now()
    return Outcome(run=run, state=state, started_at=moment, finished_at=moment, failures=0)


def settled(run: TaskRun, state: RunState = RunState.SUCCEEDED) -> None:
    """What a worker records of a run that it has."""
    settle([outcome_of(run, state)])


def relays_ask() -> None:
    """A turn of a relay, whose last page may have been any."""
    ending._position = 0
    leading.ask_all()


def followed(batch: Batch) -> list[str]:
    """The names of the callbacks that were started with the batch's id, in order."""
    runs = TaskRun.objects.filter(task=canvas.note.name, args__0=batch.batch_id).order_by("pk")
    return [run.args[1] for run in runs]
