"""Chords with a ledger task in their header: the ledger counts them, and no result backend.

Celery prepares a chord, asks the result backend to count its header, and calls the header's group.
The backend asks here first (:func:`plan`). If no member is on the ledger, Celery counts, as ever.
Else the header is a batch (``neural.batches``). Members that are recorded when the group is called
join it in one transaction (:mod:`neural.celeryapp.groups`). All others (plain tasks, the last tasks
of chains, the bodies of inner chords, events) are awaited. A mark in the body, which each of their
messages carries, makes workers report to the ledger how they ended (:func:`report`). Members do not
keep the body: when the batch is over, ``neural.celeryapp.callbacks`` starts it.

A header that a plain client has sent is counted by that client's result backend. Runs that belong
to one keep the body, and tell the backend how they ended (:func:`count`).
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from celery import current_app, exceptions, states
from celery.app.task import Context
from celery.result import GroupResult
from django.db import transaction
from django.db.models.functions import Now

from neural.batches import awaited, ending, recording, results
from neural.batches.ports import COUNTED_BY_LEDGER, Members
from neural.celeryapp.groups import planned
from neural.celeryapp.nested import members_in, options_of
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.stored_json import CANVAS_BYTES, NotStorable, from_json, plain
from neural.ledger import dialects
from neural.ledger.insertion import Inserted
from neural.ledger.record import enqueue_all
from neural.ledger.work import current_run
from neural.ledger.work_errors import describe
from neural.models import (
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchKind,
    BatchOutcome,
    BatchState,
    TaskRun,
)
from neural.runs.models.new_run import NewRun

logger = logging.getLogger(__name__)

HEADER = "header"
"""The option of a body's run that names the batch whose results it gets, and whether it gets
them."""
AWAITED_BY = "awaited_by"
"""The option of an event's run that names the batch by which it is awaited."""
MARK: Mapping[str, Any] = {
    "task": "neural.batch",
    "args": [],
    "kwargs": {},
    "options": {COUNTED_BY_LEDGER: True},
    "subtask_type": None,
    "immutable": True,
}
"""In the place of a chord's body: it makes Celery call the result backend when a member ends."""
_ENDED = {states.SUCCESS: AwaitedState.SUCCEEDED, states.REVOKED: AwaitedState.REVOKED}


class ChordError(exceptions.ChordError, PermanentError):
    """A member of a chord's header did not succeed."""


# A chord is called


@dataclass
class Plan:
    """The header of a chord whose group is about to be called."""

    batch: Batch
    places: Mapping[str, int] = field(default_factory=dict)
    """The members' places in the results, by task ids, if these are not their ``group_index``."""

    def record(self, members: Sequence[NewRun]) -> None:
        """Record the members that were called, in one transaction or in the caller's."""
        runs = [self._placed(run) for run in members] if self.places else members
        batch = self.batch
        if runs:
            batch.parent_task_id, batch.requested_by = runs[0].parent_task_id, runs[0].requested_by
        if len(stores := {run.store_id for run in runs}) == 1:
            (batch.store_id,) = stores
        with transaction.atomic():
            if batch._state.adding:
                batch.state = BatchState.CLOSED
                recording.record(batch, runs=runs)
            elif batch.state == BatchState.OPEN:  # else it is sent again
                batch.save(update_fields=["parent_task_id", "requested_by", "store"])
                recording.add(batch.pk, Members(runs=list(runs), starters=[], awaited=[]))
                ending.close(batch.pk)

    def _placed(self, run: NewRun) -> NewRun:
        options = {**run.options, "group_index": self.places[run.task_id]}
        return run._replace(options=options)

    def give_up(self) -> None:
        """End the batch, without its body, because one of its members was refused."""
        if not self.batch._state.adding and not dialects.ledger_connection().needs_rollback:
            Batch.objects.filter(pk=self.batch.pk, state=BatchState.OPEN).update(
                state=BatchState.ENDED, outcome=BatchOutcome.CANCELLED, ended_at=Now()
            )


def plan(app: Any, header: tuple[str, Iterable[Any]], body: Any) -> bool:
    """Whether the ledger counts this chord, because a task in its header is on the ledger.

    ``header`` is its group's id and results. If the ledger counts, the body is marked, and the
    batch recorded when the group is called; or at once, before a message of a member can leave. One
    that was given up in between is opened again, if its caller is repeated.
    """
    group_id, found = header
    if not any(map(_has_ledger_task, found)):
        return False
    stored = plain(body, what="the body of a chord", most_bytes=CANVAS_BYTES)
    body.options[COUNTED_BY_LEDGER] = True
    leaves = list(_leaves(found))
    is_nested = any(isinstance(each, GroupResult) for each in found)
    options = {"body": stored, **({"shape": _shape(found)} if is_nested else {})}
    batch = Batch(batch_id=group_id, kind=BatchKind.CHORD, options=options, size=len(leaves))
    batch.parent_task_id = run.task_id if (run := current_run()) else ""
    # An application that is no LedgerCelery calls the members of a group one by one: they join.
    together = hasattr(app, "records_together")
    batch.state = BatchState.OPEN if together else BatchState.CLOSED
    others = [
        AwaitedMember(task_id=leaf.id, group_index=place, led_by=before(leaf))
        for place, leaf in enumerate(leaves)
        if not (together and leaf.parent is None and getattr(leaf, "is_run", False))
    ]
    if others:
        maker, batch = batch.parent_task_id, recording.record(batch, awaited=others)
        if together:
            ending.reopen(batch, maker=maker)
    if together:
        places = {leaf.id: place for place, leaf in enumerate(leaves)} if is_nested else {}
        planned.set(Plan(batch, places))
    return True


def _has_ledger_task(result: Any) -> bool:
    """Whether a ledger task leads to this result, which may be that of a chain or a chord."""
    while result is not None:
        if hasattr(result, "is_run"):
            return True
        if any(map(_has_ledger_task, _parts(result))):
            return True
        result = result.parent
    return False


def before(result: Any) -> list[str]:
    """The ids of the tasks before this one in its chain."""
    found = []
    while (result := result.parent) is not None:
        found.append(result.id)
    return found


def _parts(result: Any) -> Sequence[Any]:
    return result.results or () if isinstance(result, GroupResult) else ()


def _leaves(found: Iterable[Any]) -> Iterator[Any]:
    for each in found:
        if isinstance(each, GroupResult):
            yield from _leaves(_parts(each))
        else:
            yield each


def _shape(found: Iterable[Any]) -> list[Any]:
    """For each of these results None, or a list like this one for those of a group."""
    return [_shape(_parts(each)) if isinstance(each, GroupResult) else None for each in found]


# A ledger task that is a member is called later, or elsewhere


def is_counted(body: Any) -> bool:
    """Whether the ledger counts the chord of this body."""
    return bool(options_of(body).get(COUNTED_BY_LEDGER))


def batch_of(options: Mapping[str, Any]) -> str | None:
    """The id of the batch of which a call with these options makes a run a member."""
    return options.get("group_id") if is_counted(options.get("chord")) else None


def joining(runs: Sequence[NewRun], options: Mapping[str, Any]) -> Sequence[NewRun]:
    """These runs, as members of the batch of which their call's options make them members. Record
    them in the same transaction, which must be open."""
    batch_id = batch_of(options)
    if batch_id is None:
        return runs
    # If the chord's caller has rolled it back, nothing follows.
    undone = Batch(batch_id=batch_id, kind=BatchKind.CHORD, state=BatchState.CLOSED)
    return recording.join(batch_id, runs, make=undone)


def record(run: NewRun, options: Mapping[str, Any]) -> Inserted | TaskRun:
    """Record the run of a call, as a member of a batch if its options make it one."""
    if batch_of(options) is None:
        return enqueue_all([run])[0]
    with transaction.atomic():
        return enqueue_all(joining([run], options))[0]


# A member ends that is no run, or that never starts


def report(request: Any, state: str, result: Any) -> bool:
    """Report how the task of this request ended to the batch that awaits it. Returns whether the
    ledger counts its chord."""
    if not is_counted(request.chord):
        return False
    if request.id and request.group:
        how = _how_it_ended(request.id, state, result)
        dialects.retry_until(
            partial(awaited.report, request.group, request.id, request.group_index, *how),
            seconds=conf().settle_seconds,
        )
    return True


def _how_it_ended(task_id: str, state: str, result: Any) -> tuple[AwaitedState, Any, str]:
    how = _ENDED.get(state, AwaitedState.FAILED)
    if how != AwaitedState.SUCCEEDED:
        return how, None, describe(result)
    try:
        return how, plain(result, what=f"the result of {task_id}"), ""
    except NotStorable as refused:
        return AwaitedState.FAILED, None, describe(refused)


def report_from_results(members: Sequence[AwaitedMember]) -> None:
    """Report those of these members of which the result backend says that they have ended, because
    the worker that executed them did not."""
    asked = {member.task_id: member for member in members}
    get_many: Any = getattr(current_app.backend, "get_many", None)
    with suppress(NotImplementedError):  # there is no backend
        for task_id, meta in get_many(asked, max_iterations=1) if get_many else ():
            member = asked[task_id]
            logger.warning(
                "event=member_not_reported batch=%s task=%s reason=%r",
                *(member.batch_key, task_id, "its worker does not load neural, or was killed"),
            )
            how = _how_it_ended(task_id, meta["status"], meta["result"])
            awaited.report(member.batch_key, task_id, member.group_index, *how)


def fail(following: Mapping[str, Any], error: str) -> None:
    """Fail the members that a signature would have started, in the batches that await them."""
    for options in members_in(following):
        if is_counted(options["chord"]):
            awaited.fail(options["group_id"], options["task_id"], error)


# A body starts


def values(header: Mapping[str, Any]) -> Sequence[Any]:
    """What a body gets before its own arguments: one list, or nothing if it is immutable.

    ``header`` is its option :data:`HEADER`. Raises :class:`ChordError` if a member has not
    succeeded.
    """
    batch = Batch.objects.filter(pk=header["batch"]).first()
    if batch is None:
        raise ChordError("the results of its header were deleted")
    try:
        found = results.values(batch)
    except (results.MemberNotSucceeded, results.ResultsPruned) as error:
        raise ChordError(str(error)) from None
    if not header["values"]:
        return ()
    each = iter(from_json(json.dumps(found)))
    return (_in_shape(shape, each) if (shape := batch.options.get("shape")) else list(each),)


def _in_shape(shape: Sequence[Any], each: Iterator[Any]) -> list[Any]:
    return [next(each) if inner is None else _in_shape(inner, each) for inner in shape]


# A chord that a result backend counts


def count(member: Mapping[str, Any], error: str) -> None:
    """Tell the result backend how a member of a chord ended that it counts, as a worker does for a
    plain task. ``member`` has the task id of a run, or with ``error`` the options of what never
    started."""
    backend: Any = current_app.backend
    if not error:
        options = TaskRun.objects.values_list("options", flat=True).get(task_id=member["task_id"])
        member = {**options, **member}
    request = Context(
        id=member["task_id"],
        group=member["group_id"],
        group_index=member.get("group_index"),
        chord=member["chord"],
    )
    if error:
        failed = ChordError(error)
        backend.store_result(request.id, failed, states.FAILURE, request=request)
        backend.on_chord_part_return(request, states.FAILURE, failed)
        return
    meta = backend.get_task_meta(request.id)
    backend.on_chord_part_return(request, meta["status"], meta["result"])
