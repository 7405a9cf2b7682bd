"""The collections of events and of refused events. They belong to search itself, because every
project has events.

An event is found by all the text in its payload."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from neural.events.changes import REFUSED, search_key
from neural.models import NeuralEvent, RefusedEvent
from neural.personal.redacting import redacted
from neural.retrieval.collections.documents import (
    Document,
    amount_of,
    facts_of,
    first_text,
    joined,
    meaning_of,
    moment_of,
    numbers_in,
    parts_of,
    stated,
    store_of,
    texts,
)
from neural.retrieval.collections.registry import Numbered, Record, register_rows
from neural.retrieval.collections.trade import called

NAME = "events"
_NAMING = frozenset({"name", "title", "dish", "item", "dish_name", "staff_name"})
MOST_NAMES = 200
_CODES = {
    "state": ("status", "state"),
    "channel": ("channel",),
    "platform": ("platform",),
    "tender": ("tender", "method"),
}
"""The fields of a payload by which events can be filtered."""
_STATED = ("type", "event_id", "source")
_COUNTS = frozenset({"quantity", "count", "rating", "line_id", "parent"})
"""Fields whose numbers nobody knows a record by."""


_NEITHER = 3
"""The rating that is neither good nor bad."""


def document(record: Mapping[str, Any]) -> Document:
    """The document of an event, whose payload is under ``payload`` or ``data``."""
    payload = record.get("payload") or record.get("data") or {}
    fields = payload if isinstance(payload, Mapping) else {}
    kind = first_text(record, "type", "event_type")
    event_id = first_text(record, "event_id")
    things = (text for field, text in stated(payload) if field in _NAMING)
    names = list(dict.fromkeys(things))[:MOST_NAMES]
    numbers = (event_id, *numbers_in(payload, without=_COUNTS))
    codes = {name: first_text(fields, *keys) for name, keys in _CODES.items()}
    meaning = meaning_of(text for text in texts(payload) if text not in names)
    return Document(
        id=first_text(record, "id", "event_id"),
        store=store_of(record),
        kind=kind,
        at=moment_of(record, "occurred_at", "at"),
        title=" ".join(part for part in (kind, event_id) if part),
        names=tuple(names),
        numbers=tuple(dict.fromkeys(filter(None, numbers))),
        also=called(kind, *codes.values(), _opinion(kind, fields)),
        facts=facts_of(
            type=kind,
            table=first_text(fields, "table"),
            amount=amount_of(first_text(fields, "total", "amount")),
            **codes,
        ),
        text=joined([*texts(payload), first_text(record, "source", "event_source")]),
        meaning=meaning,
    )


def _opinion(kind: str, fields: Mapping[str, Any]) -> str:
    """What a guest's rating of 1 to 5 says. A review without one may be a complaint."""
    rating = amount_of(first_text(fields, "rating"))
    if kind != "feedback.received" or rating == _NEITHER:
        return ""
    return "good review" if rating is not None and rating > _NEITHER else "bad review"


class Events(Numbered):
    """The source of events. The record's id is the primary key, because one event id may come from
    several sources. Pruned events are left out."""

    model = NeuralEvent

    def all(self) -> QuerySet[NeuralEvent]:
        return NeuralEvent.objects.filter(pruned_at=None)

    def record(self, row: NeuralEvent) -> Record:
        return {
            "id": str(row.pk),
            **{name: getattr(row, name) for name in ("store_id", *_STATED)},
            "occurred_at": row.occurred_at,
            "payload": row.payload,
        }

    def count(self) -> int:
        """How many events there are, including pruned ones."""
        return NeuralEvent.objects.count()


class RefusedEvents(Numbered):
    """The source of refused events. They are indexed as masked as their list is searched: who may
    not see personal data must not find it by trying, either."""

    model, store = RefusedEvent, "store_code"

    def key(self, pk: Any, code: str | None = None) -> str:
        return search_key(code or "", pk)

    def record(self, row: RefusedEvent) -> Record:
        return {
            "id": str(row.pk),
            "store_id": parts_of(search_key(row.store_code, row.pk))[0],
            **{name: getattr(row, name) for name in (*_STATED, "state")},
            "occurred_at": row.last_refused_at,
            "problems": redacted(row.problems),
            "payload": redacted(_json_or_text(row.payload)),
        }


def _json_or_text(payload: str) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return {"text": payload}


def refused(record: Mapping[str, Any]) -> Document:
    """The document of a refused event: as an event, with why it was refused."""
    as_event = document(record)
    state = first_text(record, "state")
    return replace(
        as_event,
        also=(*as_event.also, *called("refused", state)),
        facts={**as_event.facts, "state": state},
        lead=joined(texts(record.get("problems"))),
        text=joined([*texts(record.get("problems")), as_event.text]),
    )


register_rows(NAME, _("events"), document, Events(), has_amounts=True, near_enough=0.44)
register_rows(
    REFUSED, _("refused events"), refused, RefusedEvents(), in_api=False, near_enough=0.44
)
