"""Records batches with their members, and members that come later.

Whoever adds a member holds the batch's row in share mode until the commit, and whoever closes or
ends the batch locks it alone: so no member is added that the decision does not see. Those who add
members do not wait for each other.
"""

from collections.abc import Collection, Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from neural.batches import ending
from neural.batches.models import BATCH_ID_LENGTH
from neural.batches.ports import Members
from neural.kit.errors import PermanentError
from neural.ledger import dialects
from neural.ledger.record import TaskIdTaken, enqueue_all
from neural.ledger.work import current_run
from neural.models import AwaitedMember, Batch, BatchKind, BatchOutcome, BatchState, TaskRun
from neural.runs.models.new_run import NewRun

CHUNK = 1000


class BatchClosed(PermanentError):
    """A member was to be added to a batch that is closed, by somebody who is no open member."""


def record(
    batch: Batch, *, awaited: Iterable[AwaitedMember] = (), runs: Sequence[NewRun] = ()
) -> Batch:
    """Record a batch with these members in one transaction, or in the caller's.

    ``batch`` is unsaved, as are the ``awaited``, whose ``batch_key`` is set here, and the ``size``
    of a closed chord. With the state CLOSED it is over as soon as they have ended, at once without
    any. Members that have been reported before (``awaited.report``) stay as they were reported. If
    a batch of this id was recorded before, as when a chord is sent again, that one is returned, and
    nothing else is done.
    """
    members = list(awaited)
    is_closed = batch.state == BatchState.CLOSED
    if is_closed:
        batch.closed_at = Now()
        if batch.kind == BatchKind.CHORD:
            batch.size = len(members) + len(runs)
    with transaction.atomic():
        found, is_new = _insert(batch)
        if is_new:
            _insert_members(found, runs, members)
            if is_closed:
                transaction.on_commit(lambda: ending.end_if_complete([found.pk]), robust=True)
    return found


def join(batch_key: str, runs: Sequence[NewRun], *, make: Batch | None = None) -> list[NewRun]:
    """These runs as members of the batch of this ``batch_id``, to be recorded in the same
    transaction, which is the caller's and must be open.

    Members that were awaited under the runs' task ids are so no longer. Without such a batch,
    ``make`` is recorded if it is given (unsaved, with this ``batch_id``), and the runs are returned
    as they are if it is not. So is a run of another store than the batch's, unless it is awaited.
    """
    batch = _held("batch_id", batch_key)
    if batch is None:
        if make is None:
            return list(runs)
        batch, _ = _insert(make)
    if batch.options.get("reopens"):  # its chain was retried after it had failed
        ended = Batch.objects.filter(pk=batch.pk, state=BatchState.ENDED)
        ended.update(state=BatchState.CLOSED, outcome="", ended_at=None)
    task_ids = [run.task_id for run in runs]
    theirs = AwaitedMember.objects.filter(batch_key=batch_key, task_id__in=task_ids)
    places = dict(theirs.values_list("task_id", "group_index"))
    theirs.delete()
    return [
        run._replace(
            batch_id=batch.pk,
            options={**run.options, "group_index": places[run.task_id]}
            if places.get(run.task_id) is not None
            else run.options,
        )
        if run.task_id in places or not _is_of_another_store(run, batch)
        else run
        for run in runs
    ]


def add(batch_pk: int, members: Members) -> None:
    """Add members to a batch in one transaction, or in the caller's: to an open one, or to one of
    which the calling run is an open member. Those of a cancelled batch are recorded as cancelled.

    Members that were added before are left as they are, by their task ids, also when it is closed.
    Raises :class:`BatchClosed`, TaskIdTaken for the task id of a run that is no member, and
    ValueError for a unique key (the run that waits with it may be no member) and for a run of
    another store than the batch's.
    """
    runs = members.runs
    if keys := [run.unique_key for run in runs if run.unique_key]:
        raise ValueError(f"a member of a batch has no unique_key: {keys[0]}")
    with transaction.atomic():
        batch = _held("id", batch_pk)
        if batch is None:
            raise BatchClosed("no member can be added: there is no such batch any more")
        if others := [run for run in runs if _is_of_another_store(run, batch)]:
            where = f"{batch} is of the store {batch.store_id}"
            raise ValueError(f"{where}: it has no run of {others[0].store_id}")
        if not (batch.state == BatchState.OPEN or _is_open_member(batch)):
            wanted = {each.task_id for each in runs} | {each.task_id for each in members.awaited}
            if wanted == _among(batch, wanted):
                return  # a caller that is repeated
            raise BatchClosed(f"no member can be added to {batch}: it is closed")
        starting = list(zip(members.awaited, members.starters, strict=True))
        before = _among(batch, {each.task_id for each, _ in starting})
        _insert_members(batch, runs, members.awaited)
        enqueue_all([run for each, run in starting if each.task_id not in before])
        if batch.outcome == BatchOutcome.CANCELLED:
            TaskRun.objects.filter(task_id__in=[run.task_id for run in runs]).cancel()


def _held(column: str, value: object) -> Batch | None:
    """The batch, which nobody closes or ends until the transaction ends."""
    lock = dialects.ledger_dialect().share_lock
    found = Batch.objects.raw(f"SELECT * FROM neural_batch WHERE {column} = %s {lock}", [value])
    return next(iter(found), None)


def _is_of_another_store(run: NewRun, batch: Batch) -> bool:
    return None not in (run.store_id, batch.store_id) and run.store_id != batch.store_id


def _among(batch: Batch, task_ids: Collection[str]) -> set[str]:
    """Those of these ids that are members."""
    if not task_ids:
        return set()
    runs = TaskRun.objects.filter(batch=batch, task_id__in=task_ids)
    others = AwaitedMember.objects.filter(batch_key=batch.batch_id, task_id__in=task_ids)
    return set(runs.values_list("task_id", flat=True)).union(
        others.values_list("task_id", flat=True)
    )


def _is_open_member(batch: Batch) -> bool:
    run = current_run()
    if run is None or run.batch_id != batch.pk:
        return False
    return TaskRun.objects.running().filter(pk=run.pk, token=run.token).exists()


def _insert(batch: Batch) -> tuple[Batch, bool]:
    """The batch of this id, and whether this one was inserted."""
    if not 0 < len(batch.batch_id) <= BATCH_ID_LENGTH:
        raise ValueError(f"a batch id has 1 to {BATCH_ID_LENGTH} characters")
    if found := _held("batch_id", batch.batch_id):
        return found, False
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
    except IntegrityError:
        if found := _held("batch_id", batch.batch_id):
            return found, False
        raise
    return batch, True


def _insert_members(batch: Batch, runs: Sequence[NewRun], awaited: Iterable[AwaitedMember]) -> None:
    members = list(awaited)
    for each in members:
        each.batch_key = batch.batch_id
    AwaitedMember.objects.bulk_create(members, ignore_conflicts=True, batch_size=CHUNK)
    for recorded in enqueue_all([run._replace(batch_id=batch.pk) for run in runs]):
        if isinstance(recorded, TaskRun) and recorded.batch_id != batch.pk:
            raise TaskIdTaken(f"task id {recorded.task_id!r} belongs to a run of no or other batch")
