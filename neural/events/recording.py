"""Recording events with their runs, and answering for each.

An event that is recorded already stays as it is; whether the new one says the same
(a duplicate) or something else (a conflict) is looked up only then.
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from django.db import transaction
from django.db.models import DEFERRED

from neural.events.answers import Problem, Submission, Verdict
from neural.events.draft import EventDraft, Identity
from neural.events.insertion import EVENT_TASK, insert_new
from neural.ledger import dialects, ports
from neural.ledger.record import without_followers
from neural.models import NeuralEvent
from neural.models.new_run import NewRun, new_run
from neural.models.run_log import lines, logger, pairs


def record(drafts: Sequence[EventDraft]) -> list[Submission]:
    """Record events in the caller's transaction and answer for each, in order."""
    if not drafts:
        return []
    firsts: dict[Identity, EventDraft] = {}
    for draft in drafts:
        firsts.setdefault(draft.identity, draft)
    # Sorted, so that two submitters of the same events never wait for one another in a circle.
    candidates = [firsts[identity] for identity in sorted(firsts)]
    runs = {draft.identity: _runs_of(draft) for draft in candidates}
    new = insert_new(candidates, runs)
    known = _recorded_before(firsts.keys() - new.keys())
    due = (identity for identity in new if firsts[identity].due_at is None)
    ports.announce([run for identity in due for run in runs[identity]])
    _tell_on_commit([firsts[identity] for identity in new], runs)
    return [_answer(draft, firsts, new, known) for draft in drafts]


def _answer(
    draft: EventDraft,
    firsts: dict[Identity, EventDraft],
    new: dict[Identity, int],
    known: dict[Identity, NeuralEvent],
) -> Submission:
    first = firsts[draft.identity]
    if draft.identity in new:
        recorded_hash, find_event = first.content_hash, partial(_event, first, new[draft.identity])
        if draft is first:
            return Submission(verdict=Verdict.NEW, find_event=find_event)
    else:
        earlier = known[draft.identity]
        recorded_hash, find_event = earlier.content_hash, partial(_itself, earlier)
    if recorded_hash == draft.content_hash:
        return Submission(verdict=Verdict.DUPLICATE, find_event=find_event)
    reason = (
        f"conflict: {draft.event_id!r} of source {draft.source!r} was recorded before with "
        "another content; give a changed event an id of its own"
    )
    return Submission.refused([Problem("event_id", reason)], find_event=find_event)


def _itself(event: NeuralEvent) -> NeuralEvent:
    return event


_EVENT_FIELDS = tuple(field.attname for field in NeuralEvent._meta.concrete_fields)


def _event(draft: EventDraft, pk: int) -> NeuralEvent:
    """As it was recorded. What only the database knows is read when it is asked for."""
    known = {
        "id": pk,
        "store_id": draft.store,
        "source": draft.source,
        "event_id": draft.event_id,
        "type": draft.type,
        "payload": json.loads(draft.payload),
        "content_hash": draft.content_hash,
        "unhandled": not draft.handlers,
        "occurred_at": draft.occurred_at,
        "pruned_at": None,
    }
    values = [known.get(name, DEFERRED) for name in _EVENT_FIELDS]
    return NeuralEvent.from_db(dialects.ledger_connection().alias, _EVENT_FIELDS, values)


def _runs_of(draft: EventDraft) -> list[NewRun]:
    """The runs of an event, known by their task ids: its own key is not known yet. The first
    one's result is that of a Celery call; so links and chains are the first one's."""
    return [
        new_run(
            task_id=draft.task_id if place == 0 else None,
            task=EVENT_TASK,
            handler=handler,
            store=draft.store,
            queue=draft.queue,
            priority=draft.priority,
            due_at=draft.due_at,
            requested_by=draft.requested_by,
            options=draft.options if place == 0 else without_followers(draft.options),
            parent=draft.parent,
        )
        for place, handler in enumerate(draft.handlers)
    ]


_IDENTITY = {"store": "text", "source": "text", "event_id": "text"}
# All but the payload, which is large, and of an older release perhaps one that nobody can read.
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


def _tell_on_commit(drafts: Sequence[EventDraft], runs: Mapping[Identity, list[NewRun]]) -> None:
    """Made into text at once: a caller's transaction may hold a million events."""
    if not drafts or not logger.isEnabledFor(logging.INFO):
        return
    named = [(run, draft.identity) for draft in drafts for run in runs[draft.identity]]
    identities = {run.task_id: identity for run, identity in named}
    told = list(lines("recorded", [run for run, _ in named], identities, {}))
    told += [_unhandled(draft) for draft in drafts if not runs[draft.identity]]
    transaction.on_commit(partial(_log, told), robust=True)


def _log(told: Sequence[str]) -> None:
    for line in told:
        logger.info("%s", line)


def _unhandled(draft: EventDraft) -> str:
    store, source, event_id = draft.identity
    what = {"event_id": event_id, "source": source, "store": store, "type": draft.type}
    return f"event=event_unhandled {pairs(what)}"
