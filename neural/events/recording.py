"""Records valid events with their runs, and answers for each.

An event that is already recorded stays as it is. Only then is the recorded event read, to tell a
duplicate (the same content) from a conflict.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from django.db import transaction
from django.db.models import DEFERRED

from neural.events.answers import Problem, Submission, Verdict
from neural.events.insertion import EVENT_TASK, insert_new
from neural.events.new_event import Identity, NewEvent
from neural.ledger import dialects, ports
from neural.ledger.record import without_followers
from neural.models import NeuralEvent
from neural.models.new_run import NewRun, new_run
from neural.models.run_log import lines, logger, pairs


def record(
    new_events: Sequence[NewEvent], *, written: Callable[[list[Submission]], None] | None = None
) -> list[Submission]:
    """Record events in the caller's transaction; returns the answers in order. Messages for due
    runs are published on commit. ``written`` gets the answers before messages are published."""
    if not new_events:
        return []
    firsts: dict[Identity, NewEvent] = {}
    for new_event in new_events:
        firsts.setdefault(new_event.identity, new_event)
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


def _answer(
    new_event: NewEvent,
    firsts: dict[Identity, NewEvent],
    new: dict[Identity, int],
    known: dict[Identity, NeuralEvent],
) -> Submission:
    first = firsts[new_event.identity]
    if new_event.identity in new:
        pk, recorded_hash = new[new_event.identity], first.content_hash
        find_event = partial(_event, first, pk)
        if new_event is first:
            return Submission(verdict=Verdict.NEW, find_event=find_event, event_pk=pk)
    else:
        earlier = known[new_event.identity]
        pk, recorded_hash = earlier.pk, earlier.content_hash
        find_event = partial(_itself, earlier)
    if recorded_hash == new_event.content_hash:
        return Submission(verdict=Verdict.DUPLICATE, find_event=find_event, event_pk=pk)
    reason = (
        f"conflict: {new_event.event_id!r} of source {new_event.source!r} was recorded before with "
        "another content; give a changed event an id of its own"
    )
    return Submission.refused([Problem("event_id", reason)], find_event, pk)


def _itself(event: NeuralEvent) -> NeuralEvent:
    return event


_EVENT_FIELDS = tuple(field.attname for field in NeuralEvent._meta.concrete_fields)


def _event(new_event: NewEvent, pk: int) -> NeuralEvent:
    """The event as it was recorded. Columns that the database filled in are read on access."""
    known = {
        "id": pk,
        "store_id": new_event.store,
        "source": new_event.source,
        "event_id": new_event.event_id,
        "type": new_event.type,
        "payload": json.loads(new_event.payload),
        "content_hash": new_event.content_hash,
        "unhandled": not new_event.handlers,
        "occurred_at": new_event.occurred_at,
        "pruned_at": None,
    }
    values = [known.get(name, DEFERRED) for name in _EVENT_FIELDS]
    return NeuralEvent.from_db(dialects.ledger_connection().alias, _EVENT_FIELDS, values)


def _runs_of(new_event: NewEvent) -> list[NewRun]:
    """The runs of a new event, which has no primary key yet. The result of a Celery call is that of
    the first run, so only the first run gets links and chains."""
    return [
        new_run(
            task_id=new_event.task_id if place == 0 else None,
            task=EVENT_TASK,
            handler=handler,
            store=new_event.store,
            queue=new_event.queue,
            priority=new_event.priority,
            due_at=new_event.due_at,
            requested_by=new_event.requested_by,
            options=new_event.options if place == 0 else without_followers(new_event.options),
            parent=new_event.parent,
        )
        for place, handler in enumerate(new_event.handlers)
    ]


_IDENTITY = {"store": "text", "source": "text", "event_id": "text"}
# Without the payload: it is large, and one recorded by an older release may be unreadable.
_LOOKED_AT = ", ".join(
    f'"{field.column}"' for field in NeuralEvent._meta.concrete_fields if field.name != "payload"
)


def _recorded_before(identities: Collection[Identity]) -> dict[Identity, NeuralEvent]:
    if not identities:
        return {}
    wanted, parameters = dialects.ledger_dialect().table(_IDENTITY, list(identities))
    found = NeuralEvent.objects.raw(
        f"SELECT {_LOOKED_AT} FROM neural_neuralevent "
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
    told = list(lines("recorded", [run for run, _ in named], identities, {}))
    told += [_unhandled(new_event) for new_event in new_events if not runs[new_event.identity]]
    transaction.on_commit(partial(_log, told), robust=True)


def _log(told: Sequence[str]) -> None:
    for line in told:
        logger.info("%s", line)


def _unhandled(new_event: NewEvent) -> str:
    store, source, event_id = new_event.identity
    what = {"event_id": event_id, "source": source, "store": store, "type": new_event.type}
    return f"event=event_unhandled {pairs(what)}"
