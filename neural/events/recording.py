"""Records valid events with their runs, and answers for each.

An event that is already recorded stays as it is. Only then is the recorded event read, to tell a
duplicate (the same content) from a conflict. :func:`replay` records the runs of handlers that were
registered after an event was recorded.

Events of several threads are recorded in one transaction (a group commit). A web process has
several threads, and each submits one event at a time. While one of them writes, the others wait for
the database anyway. So the events that arrive meanwhile are gathered, and the next thread writes
them all by one statement. A thread that is alone waits for nobody.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.db import Error as DatabaseFailed
from django.db import transaction
from django.db.models.base import ModelState

from neural.events.answers import EventPruned, PlannedRun, Problem, Submission, Verdict
from neural.events.insertion import EVENT_TASK, STORE_CONFIRMED, Inserted, insert_new
from neural.events.new_event import Identity, NewEvent
from neural.events.registry import handler, handlers_of, own_queues
from neural.events.types import event_type, value_of
from neural.kit.conf import conf
from neural.ledger import dialects, ports
from neural.ledger.dialects import ledger_connection
from neural.ledger.on_commit import call_on_commit
from neural.ledger.record import without_followers
from neural.models import NeuralEvent, Store, TaskRun
from neural.runs.models.new_run import NewRun, new_run
from neural.runs.models.run_log import lines, logger, pairs

_IDENTITY = {"store": "text", "source": "text", "event_id": "text"}
FEW = 10
"""Chunks of more events are recorded as they are: they share nothing worth waiting for."""


def record(
    new_events: Sequence[NewEvent], *, written: Callable[[list[Submission]], None] | None = None
) -> list[Submission]:
    """Record events in the caller's transaction; returns the answers in order. Messages for due
    runs are published on commit. ``written`` gets the answers before messages are published."""
    if not new_events:
        return []
    firsts = _firsts(new_events)
    # Sorted, so that two submitters of the same events never deadlock.
    candidates = [firsts[identity] for identity in sorted(firsts)]
    runs = {new_event.identity: _runs_of(new_event) for new_event in candidates}
    new = insert_new(candidates, runs)
    known = _recorded_before(firsts.keys() - new.keys())
    answers = [_answer(new_event, firsts, new, known) for new_event in new_events]
    if written is not None:
        written(answers)
    due = (identity for identity in new if firsts[identity].due_at is None)
    ports.announce([run for identity in due for run in runs[identity]])
    _log_on_commit([firsts[identity] for identity in new], runs)
    return answers


def foresee(new_events: Sequence[NewEvent]) -> list[Submission]:
    """The answers that :func:`record` would give now, with the runs that the events would have.
    Nothing is written."""
    firsts = _firsts(new_events)
    known = _recorded_before(firsts)
    stores = Store.objects.in_bulk({each.store for each in new_events})
    new: dict[Identity, Inserted] = {
        identity: (None, identity[0] in stores and stores[identity[0]].confirmed)
        for identity in firsts.keys() - known.keys()
    }
    answers = [_answer(new_event, firsts, new, known) for new_event in new_events]
    return [
        replace(answer, planned=_planned(new_event, stores)) if answer.is_new else answer
        for new_event, answer in zip(new_events, answers, strict=True)
    ]


def _planned(new_event: NewEvent, stores: Mapping[str, Store]) -> tuple[PlannedRun, ...]:
    def is_superseded(name: str) -> bool:
        ask = handler(name).superseded
        return ask is not None and new_event.store in stores and ask(event, data)

    event = _event(new_event, None)
    event.store = stores.get(new_event.store) or Store(code=new_event.store)
    data = event_type(new_event.type).read(event.payload)
    return tuple(
        PlannedRun(run.handler, run.queue, run.priority, is_superseded(run.handler))
        for run in _runs_of(new_event)
    )


def _firsts(new_events: Sequence[NewEvent]) -> dict[Identity, NewEvent]:
    """The first event of each identity."""
    firsts: dict[Identity, NewEvent] = {}
    for new_event in new_events:
        firsts.setdefault(new_event.identity, new_event)
    return firsts


UNCONFIRMED = Problem(
    "store", "no person has confirmed this store yet; if its code is right, confirm it in the admin"
)


def _answer(
    new_event: NewEvent,
    firsts: Mapping[Identity, NewEvent],
    new: Mapping[Identity, Inserted],
    known: Mapping[Identity, NeuralEvent],
) -> Submission:
    first = firsts[new_event.identity]
    verdict = Verdict.DUPLICATE
    if new_event.identity in new:
        pk, confirmed = new[new_event.identity]
        recorded_hash = first.content_hash
        find_event = partial(_event, first, pk)
        verdict = Verdict.NEW if new_event is first else verdict
    else:
        earlier: Any = known[new_event.identity]
        pk, confirmed, recorded_hash = earlier.pk, earlier.confirmed, earlier.content_hash
        find_event = partial(_itself, earlier)
    if recorded_hash == new_event.content_hash:
        warnings = new_event.warnings if confirmed else (*new_event.warnings, UNCONFIRMED)
        return Submission(verdict=verdict, find_event=find_event, event_pk=pk, warnings=warnings)
    reason = (
        f"conflict: {new_event.event_id!r} of source {new_event.source!r} was recorded before with "
        "another content; give a changed event an id of its own"
    )
    return Submission.refused([Problem("event_id", reason)], find_event, pk)


def _itself(event: NeuralEvent) -> NeuralEvent:
    return event


def _event(new_event: NewEvent, pk: int | None) -> NeuralEvent:
    """The event as it was recorded. Columns that the database filled in are read on access.

    Made as Django copies an object: its constructor would take as long as the event's schema.
    """
    state = ModelState()
    state.adding, state.db = False, dialects.ledger_connection().alias
    event = NeuralEvent.__new__(NeuralEvent)
    event.__dict__ |= {
        "_state": state,
        "id": pk,
        "store_id": new_event.store,
        "source": new_event.source,
        "event_id": new_event.event_id,
        "type": new_event.type,
        "payload": value_of(new_event.payload),
        "content_hash": new_event.content_hash,
        "unhandled": not new_event.handlers,
        "occurred_at": new_event.occurred_at,
        "pruned_at": None,
    }
    return event


def _runs_of(new_event: NewEvent) -> list[NewRun]:
    """The runs of a new event, which has no primary key yet. The result of a Celery call is that of
    the first run, so only the first run gets links and chains."""
    return [
        new_run(
            task_id=new_event.task_id if place == 0 else None,
            task=EVENT_TASK,
            handler=handler,
            store=new_event.store,
            queue=_queue_of(handler, new_event.type, new_event.queue),
            priority=new_event.priority,
            due_at=new_event.due_at,
            requested_by=new_event.requested_by,
            options=new_event.options if place == 0 else without_followers(new_event.options),
            parent=new_event.parent,
        )
        for place, handler in enumerate(new_event.handlers)
    ]


def _queue_of(handler: str, type_name: str, queue: str) -> str:
    """The queue of a handler's run: its own one, unless the event goes elsewhere than its type
    says, by its submitter's choice or as history."""
    own = own_queues().get(handler)
    return own if own and queue == event_type(type_name).queue else queue


# Without the payload: it is large, and one recorded by an older release may be unreadable.
_LOOKED_AT = ", ".join(
    f'"{field.column}"' for field in NeuralEvent._meta.concrete_fields if field.name != "payload"
)


def _recorded_before(identities: Collection[Identity]) -> dict[Identity, NeuralEvent]:
    if not identities:
        return {}
    wanted, parameters = dialects.ledger_dialect().table(_IDENTITY, list(identities))
    found = NeuralEvent.objects.raw(
        f"SELECT {_LOOKED_AT}, {STORE_CONFIRMED} FROM neural_neuralevent "
        f"WHERE (store_id, source, event_id) IN (SELECT * FROM {wanted} AS wanted)",
        parameters,
    )
    return {(event.store_id, event.source, event.event_id): event for event in found}


def _log_on_commit(new_events: Sequence[NewEvent], runs: Mapping[Identity, list[NewRun]]) -> None:
    """Log recorded events on commit. The lines are made at once and the events let go: a caller's
    transaction may contain a million of them."""
    if not new_events or not logger.isEnabledFor(logging.INFO):
        return
    named = [
        (run, new_event.identity) for new_event in new_events for run in runs[new_event.identity]
    ]
    identities = {run.task_id: identity for run, identity in named}
    log_lines = list(lines("recorded", [run for run, _ in named], identities, {}))
    log_lines += [_unhandled(new_event) for new_event in new_events if not runs[new_event.identity]]
    call_on_commit(_log, log_lines)


def _log(log_lines: Sequence[str]) -> None:
    for line in log_lines:
        logger.info("%s", line)


def _unhandled(new_event: NewEvent) -> str:
    store, source, event_id = new_event.identity
    what = {"event_id": event_id, "source": source, "store": store, "type": new_event.type}
    return f"event=event_unhandled {pairs(what)}"


# Replay


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
        queue=_queue_of(handler, kind.name, kind.queue),
        priority=kind.priority,
        requested_by=requested_by,
    ).row()


def _insert(runs: Sequence[TaskRun]) -> Sequence[TaskRun]:
    """Insert runs, and return those that were inserted: a simultaneous replay may have recorded
    some of them."""
    TaskRun.objects.bulk_create(runs, ignore_conflicts=True)
    return list(TaskRun.objects.filter(task_id__in=[run.task_id for run in runs]).order_by("pk"))


# Group commit


def record_in_group(new_events: Sequence[NewEvent]) -> Sequence[Submission]:
    """Like :func:`record`, perhaps together with events that other threads
    submit now. Events of a caller's own transaction are recorded in that transaction."""
    if not 0 < len(new_events) <= FEW or not ledger_connection().get_autocommit():
        return record(new_events)
    return _group.record(new_events)


@dataclass(eq=False)
class _Waiting:
    """A thread with its events. Once it is woken, it has answers, or leads, or, if neither, records
    its events alone."""

    new_events: Sequence[NewEvent]
    woken: threading.Event = field(default_factory=threading.Event)
    answers: Sequence[Submission] | None = None
    leads: bool = False


class _Group:
    """The threads of this process that wait to record events, and whether one of them leads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._is_led = False

    def record(self, new_events: Sequence[NewEvent]) -> Sequence[Submission]:
        mine = _Waiting(new_events)
        with self._lock:
            if self._is_led:
                self._waiting.append(mine)
            else:
                self._is_led = mine.leads = True
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._lead(mine)
        return record(new_events) if mine.answers is None else mine.answers

    def _wait(self, mine: _Waiting) -> None:
        """Wait until woken. A thread that is interrupted (a time limit, Ctrl-C) leaves: otherwise
        it might be made to lead, and the others would wait for it for ever."""
        try:
            mine.woken.wait()
        except BaseException:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
            if mine.leads:
                self._let_another_lead()
            raise

    def _lead(self, mine: _Waiting) -> None:
        """Record the events of this thread and of those that wait. If that fails, it may be because
        of one of them, so each then records its own events.

        Once the events are written, the others have their answers and the next thread leads: this
        one publishes the messages meanwhile.
        """
        members = self._members(mine)
        handed_on = False

        def hand_on(answers: Sequence[Submission] | None) -> None:
            nonlocal handed_on
            handed_on = True
            self._let_another_lead()
            _wake(members, answers)

        try:
            record([each for one in members for each in one.new_events], written=hand_on)
        except DatabaseFailed:
            if handed_on or len(members) == 1:
                raise
        finally:
            if not handed_on:
                hand_on(None)

    def _members(self, mine: _Waiting) -> Sequence[_Waiting]:
        """This thread and those that wait, within ``submit_chunk`` events."""
        members, size = [mine], len(mine.new_events)
        with self._lock:
            while self._waiting:
                size += len(self._waiting[0].new_events)
                if size > conf().submit_chunk:
                    break
                members.append(self._waiting.popleft())
        return members

    def _let_another_lead(self) -> None:
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.woken.set()


def _wake(members: Sequence[_Waiting], answers: Sequence[Submission] | None) -> None:
    """Give each thread its answers, if there are any, and wake those that wait."""
    for one in members:
        if answers is not None:
            size = len(one.new_events)
            one.answers, answers = answers[:size], answers[size:]
        one.woken.set()


_group = _Group()


def _start_afresh() -> None:
    global _group
    _group = _Group()  # of the parent's threads, none is in a forked child


os.register_at_fork(after_in_child=_start_afresh)
