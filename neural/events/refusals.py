"""Keeps refused events as rows, so that people see them: one row for each different event.

The caller gets the answer 'refused' even if the row cannot be written; that is logged.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from neural.events.answers import Problem
from neural.events.changes import refusals_changed
from neural.events.new_event import NewEvent
from neural.events.redaction import (
    as_json,
    as_text,
    error_text,
    kept_of,
    kept_of_unread,
)
from neural.kit.conf import conf
from neural.kit.storable import escaped
from neural.ledger import dialects
from neural.ledger.interrupts import SoftTimeLimitExceeded

logger = logging.getLogger(__name__)

PAYLOAD_CHARACTERS = 64 * 1024
DETAIL_CHARACTERS = 100
REASON_CHARACTERS = 500
MOST_PROBLEMS = 50
_DETAILS = ("occurred_at", "queue", "priority")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refused event, as far as it could be read, as texts."""

    store_code: str = ""
    source: str = ""
    event_id: str = ""
    type: str = ""
    payload: str = ""
    """JSON text if the payload can be written as JSON, not cut."""
    details: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[Problem]

    @property
    def fingerprint(self) -> str:
        """A hash of identity, type and payload. Refusals with the same fingerprint share a row,
        whatever their reasons are."""
        parts = (self.store_code, self.source, self.event_id, self.type, self.payload)
        text = json.dumps(parts)  # ASCII, so halves of surrogate pairs can be encoded, too
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def refusal_of(request: Any, problems: Sequence[Problem], *, backfill: bool = False) -> Refusal:
    """The refusal of a submitted request, with as much of it as can be read. ``request`` may be any
    object."""
    if not isinstance(request, Mapping):
        return Refusal(payload=kept_of_unread(as_text(request)), problems=problems)
    try:
        known = dict(request)
    except Exception:  # noqa: BLE001 (a mapping of the caller's class may raise anything)
        known = {}
    details = {name: as_text(known[name]) for name in _DETAILS if known.get(name) is not None}
    backfill = backfill or known.get("backfill") is True
    return Refusal(
        store_code=as_text(known.get("store")),
        source=as_text(known.get("source")),
        event_id=as_text(known.get("event_id")),
        type=as_text(known.get("type")),
        payload=_payload(known),
        details=details | ({"backfill": True} if backfill else {}),
        problems=problems,
    )


def _payload(known: Mapping[Any, Any]) -> str:
    """The payload as text, without what its type leaves out of every payload."""
    if "payload" not in known:
        return ""
    try:
        return as_json(kept_of(as_text(known.get("type")), known["payload"]))
    except Exception as error:  # noqa: BLE001 (methods of the caller's classes may raise)
        return f"could not be read: {error_text(error)}"


def refusal_of_new_event(new_event: NewEvent, problems: Sequence[Problem]) -> Refusal:
    """The refusal of a valid event that conflicts with a recorded one."""
    return Refusal(
        store_code=new_event.store,
        source=new_event.source,
        event_id=new_event.event_id,
        type=new_event.type,
        payload=new_event.payload,
        details={"occurred_at": new_event.occurred_at.isoformat()},
        problems=problems,
    )


def keep(refusals: Sequence[Refusal], *, entry_point: str, requested_by: str) -> None:
    """Write rows for refusals by one statement. Raises nothing but the time limit.

    The rows are written in a savepoint of the caller's transaction, if there is one, and are lost
    if that rolls back. A failure is logged. Nothing is written if ``refusals_kept_days`` is 0.
    """
    if not refusals or not conf().refusals_kept_days:
        return
    connection = dialects.ledger_connection()
    try:
        with transaction.atomic(using=connection.alias):  # a savepoint in a caller's transaction
            _write(refusals, entry_point, requested_by)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 (the answer is what counts)
        about = f"refusals={len(refusals)} entry_point={entry_point}"
        logger.error("event=refusal_not_kept %s error=%r", about, escaped(str(error), 200))
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


_COLUMNS = {
    "fingerprint": "text",
    "store_code": "text",
    "source": "text",
    "event_id": "text",
    "type": "text",
    "payload": "text",
    "payload_cut": "boolean",
    "details": "jsonb",
    "problems": "jsonb",
    "times": "bigint",
}
_LENGTHS = {"store_code": 100, "source": 100, "event_id": 200, "type": 100}
_RENEWED = ("details", "problems", "door", "requested_by", "last_refused_at")


def _write(refusals: Iterable[Refusal], entry_point: str, requested_by: str) -> None:
    dialect = dialects.ledger_dialect()
    columns = ", ".join(_COLUMNS)
    renewed = ", ".join(f"{name} = excluded.{name}" for name in _RENEWED)
    # WHERE true: otherwise SQLite would read ON as part of a join.
    statement = f"""
        INSERT INTO neural_refusedevent ({columns},
            door, requested_by, refused_at, last_refused_at, state, handled_by)
        SELECT {dialect.columns_of_arrays(_COLUMNS)}, %s, %s,
            {dialect.clock}, {dialect.clock}, 'open', ''
        FROM {dialect.arrays} WHERE true
        ON CONFLICT (fingerprint) DO UPDATE
        SET times = neural_refusedevent.times + excluded.times, {renewed}
        RETURNING store_code, id
    """
    rows = json.dumps(_rows(refusals))
    with dialects.ledger_connection().cursor() as cursor:
        cursor.execute(statement, [escaped(entry_point, 20), escaped(requested_by, 150), rows])
        refusals_changed(cursor.fetchall())


def _rows(refusals: Iterable[Refusal]) -> list[list[Any]]:
    """A row for each different refusal, sorted, so that two writers never deadlock."""
    rows: dict[str, list[Any]] = {}
    for refusal in refusals:
        times = rows[refusal.fingerprint][-1] if refusal.fingerprint in rows else 0
        rows[refusal.fingerprint] = [*_row(refusal), times + 1]
    return [rows[key] for key in sorted(rows)]


def _row(refusal: Refusal) -> list[Any]:
    texts = [escaped(getattr(refusal, name), most) for name, most in _LENGTHS.items()]
    details = {
        name: value if value is True else escaped(value, DETAIL_CHARACTERS)
        for name, value in refusal.details.items()
    }
    problems = [
        {"field": escaped(each.field, 200), "reason": escaped(each.reason, REASON_CHARACTERS)}
        for each in refusal.problems[:MOST_PROBLEMS]
    ]
    whole = escaped(refusal.payload[: PAYLOAD_CHARACTERS + 1])
    payload, is_cut = whole[:PAYLOAD_CHARACTERS], len(whole) > PAYLOAD_CHARACTERS
    jsons = [json.dumps(each, ensure_ascii=False) for each in (details, problems)]
    return [refusal.fingerprint, *texts, payload, is_cut, *jsons]
