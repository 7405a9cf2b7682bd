"""Batches in Python: ``neural.batch()``, ``neural.current_batch()``, ``neural.Batch``.

with neural.batch("statements", on_complete=report.s()) as batch:
    batch.add_all(statement.s(guest.pk) for guest in guests)
"""

import uuid
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Literal, NamedTuple, Self

from django.db import transaction

from neural import models
from neural.batches import ending, naming, ports, recording, results
from neural.batches.models import IF_ORPHANED, LAST, NAME_LENGTH, TIED
from neural.kit.errors import PermanentError
from neural.kit.stored_json import plain
from neural.ledger import dialects
from neural.ledger.work import Snooze, current_run
from neural.models import BatchKind, BatchOutcome, BatchState, TaskRun
from neural.runs.models.run import FINISHED_STATES


class BatchUnknown(PermanentError):
    """There is no batch of this id, or no longer."""


class Progress(NamedTuple):
    """How many of a batch's members have ended, whatever became of them."""

    ended: int
    members: int


class Batch:
    """A batch: members are added while it is open, and what follows starts once, when all have
    ended. A block of ``with`` closes it at its end; one that raises cancels it if it is still
    open, and lets the error pass.

    In a run, a block that raises leaves it open to the next attempt, unless it raises ``Snooze``. A
    relay cancels a batch that is open when the run of its block has ended.
    """

    def __init__(self, row: models.Batch) -> None:
        self.row = row
        """The row as it was read; :meth:`get` reads it anew."""

    @classmethod
    def get(cls, batch_id: str) -> Self:
        """The batch of this id. Raises :class:`BatchUnknown`."""
        row = models.Batch.objects.filter(batch_id=batch_id).first()
        if row is None:
            raise BatchUnknown(f"there is no batch {batch_id!r}")
        return cls(row)

    @property
    def batch_id(self) -> str:
        """The id that callbacks get."""
        return self.row.batch_id

    def add(self, signature: Any) -> None:
        """Add one member; see :meth:`add_all`."""
        self.add_all([signature])

    def add_all(self, signatures: Iterable[Any]) -> None:
        """Add members: signatures of ledger tasks, of plain Celery tasks, chains of either,
        chords, and groups, whose tasks are members each.

        A thousand are recorded in a transaction, or all in the caller's, so that any number needs
        little memory. They start at once, and not only when the batch is closed. In a closed batch,
        its open members alone may add others. Raises :class:`~neural.batches.recording.BatchClosed`
        and whatever the tasks' ``apply_async`` raises.
        """
        each = iter(signatures)
        while some := list(islice(each, recording.CHUNK)):
            recording.add(self.row.pk, ports.members_of(self.batch_id, some))

    def close(self) -> bool:
        """Add no further members, so that the batch can end. Returns whether it was open."""
        return ending.close(self.row.pk)

    def cancel(self) -> int:
        """Cancel the members that wait, and add no further ones; those that run are left. Returns
        how many were cancelled. ``on_complete`` starts when the last has ended."""
        return ending.cancel(self.row.pk)

    def counts(self) -> Mapping[str, int]:
        """How many members are in each state; states without members are left out."""
        return results.counts(self.row)

    @property
    def progress(self) -> Progress:
        """How many members have ended, and how many there are by now."""
        counts = self.counts()
        ended = sum(counts.get(state, 0) for state in FINISHED_STATES)
        return Progress(ended, sum(counts.values()))

    def __enter__(self) -> Self:
        if run := current_run():
            mine = models.Batch.objects.filter(pk=self.row.pk, state=BatchState.OPEN)
            options = {**self.row.options, TIED: True}
            mine.update(parent_task_id=run.task_id, options=options)
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is None:
            self.close()
        elif current_run() and not isinstance(error, Snooze):
            return
        elif not dialects.ledger_connection().needs_rollback and self._is_open():
            self.cancel()

    def _is_open(self) -> bool:
        """Whether nobody has closed it: then a caller that is repeated must not undo what it has
        done before."""
        mine = models.Batch.objects.filter(pk=self.row.pk, state=BatchState.OPEN)
        return mine.exists()

    def __repr__(self) -> str:
        return f"<Batch {self.row}>"


def batch(
    name: str = "",
    *,
    on_complete: Any = None,
    on_success: Any = None,
    on_death: Any = None,
    reopens: bool = False,
    store: str | None = None,
    requested_by: str = "",
    batch_id: str | None = None,
    if_orphaned: Literal["cancel", "close"] = "cancel",
) -> Batch:
    """Record an open batch, in the caller's transaction if there is one.

    The callbacks are signatures, or tasks, and are called with the batch's id: ``on_complete`` when
    all members have ended, whatever became of them, ``on_success`` when all have succeeded, and
    ``on_death`` when the first one is dead. With ``reopens``, a retry of a member that was dead,
    cancelled or discarded lets a batch that has ended end anew. ``store`` is the code of the store
    whose users see the batch. With a ``batch_id`` that was used before, that batch is returned as
    it is: a caller that is repeated goes on with what it has begun. Outside of runs, its members
    then need task ids of their own, by which those that were added before are known.

    In a run, batch and members have ids of their own by default, which are the same when the run is
    repeated. ``if_orphaned`` says what becomes of the batch if the run of its ``with`` block ends
    and leaves it open: ``"cancel"`` it, or ``"close"`` it, so that the members that there are
    decide.

    Raises TypeError for a callback that is neither, and ValueError for a name that is too long and
    for another ``if_orphaned``.
    """
    if if_orphaned not in ("cancel", "close"):
        raise ValueError(f'if_orphaned is "cancel" or "close", not {if_orphaned!r}')
    if len(name) > NAME_LENGTH:
        raise ValueError(f"a batch's name has up to {NAME_LENGTH} characters, not {len(name)}")
    callbacks = {"on_complete": on_complete, "on_success": on_success, "on_death": on_death}
    options: dict[str, Any] = {
        what: _signature(each) for what, each in callbacks.items() if each is not None
    }
    options |= {"reopens": True} if reopens else {}
    options |= {IF_ORPHANED: if_orphaned} if if_orphaned != "cancel" else {}
    run = current_run()
    row = models.Batch(
        kind=BatchKind.BATCH,
        state=BatchState.OPEN,
        name=name,
        options=plain(options, what="a batch"),
        store_id=store,
        requested_by=requested_by,
        parent_task_id=run.task_id if run else "",
    )
    if run is not None and not batch_id:
        return Batch(_begun_or_new(row, run))
    row.batch_id = batch_id or str(uuid.uuid4())
    return Batch(recording.record(row))


@transaction.atomic
def _begun_or_new(row: models.Batch, run: TaskRun) -> models.Batch:
    """The batch that the attempt before has begun, if this one repeats it, or a new one.

    An attempt that follows a ``Snooze`` repeats none: nothing has failed. A batch that was
    cancelled is not gone on with. The first batch knows the number of the last one.
    """
    row.batch_id = name = naming.batch_id(run)
    first = recording.record(row)
    if first is row:
        return row
    number = first.options.get(LAST, 1)
    if run.error:  # what failed, was lost, or was handed back
        last = name if number == 1 else f"{name}.{number}"
        begun = models.Batch.objects.filter(batch_id=last).first()
        if begun is not None and begun.outcome != BatchOutcome.CANCELLED:
            return begun
    while True:
        number += 1
        row.batch_id = f"{name}.{number}"
        if recording.record(row) is row:
            break
    models.Batch.objects.filter(pk=first.pk).update(options={**first.options, LAST: number})
    return row


def current_batch() -> Batch | None:
    """The batch of which the run that is executed here is a member, or None."""
    run = current_run()
    if run is None or run.batch_id is None:
        return None
    return Batch(models.Batch.objects.get(pk=run.batch_id))


def _signature(callback: Any) -> dict[str, Any]:
    """Raises TypeError for what is neither a signature nor a task."""
    given = callback if isinstance(callback, Mapping) else getattr(callback, "s", dict)()
    return dict(ports.checked_signature(given, callback))
