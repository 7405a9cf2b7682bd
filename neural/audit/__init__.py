"""Records what people do in the audit log (:class:`neural.models.AuditEntry`)."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import Error, connections, router, transaction
from django.db.models import Model

from neural.audit.models import MOST_TARGETS, AuditedRow, AuditEntry, AuditOutcome, AuditSource
from neural.models.store import Store

MOST_WORDS = AuditEntry._meta.get_field("reason").max_length
MOST_NAME = AuditEntry._meta.get_field("actor").max_length

logger = logging.getLogger("neural.audit")

NOUNS = {
    "neural.taskrun": "run",
    "neural.neuralevent": "event",
    "neural.refusedevent": "refused_event",
    "neural.workerprocess": "worker",
    "neural.queuepause": "queue",
    "django_celery_beat.periodictask": "schedule",
    "neural.schedulepolicy": "schedule",
}
"""What rows are called in the codes of acts, where it is not the name of their model."""


def action_of(model: type[Model], act: str) -> str:
    """The stable code of an act on a model's rows: ``run.retry``."""
    return f"{NOUNS.get(model._meta.label_lower, model._meta.model_name)}.{act}"


def record(
    *,
    action: str,
    by: str,
    source: AuditSource,
    user_id: Any = None,
    rows: Sequence[Model] = (),
    named: bool = True,
    query: Mapping[str, str] | None = None,
    store: str | None = None,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    outcome: AuditOutcome = AuditOutcome.DONE,
    count: int | None = None,
    ends: int | None = None,
) -> int:
    """Add an act to the audit log, in the caller's transaction; returns the key of its last entry.

    ``action`` is a stable code like ``run.retry`` (:func:`action_of`). ``rows`` of one model are
    named by their keys, or with ``named`` false only counted; rows of several stores make an entry
    for each store. ``query`` are the parameters by which rows were chosen that are not named, and
    ``count`` is then how many were changed; an act that was refused or that failed on named rows
    changed none. ``reason`` are the person's own words. ``details`` have no personal data.

    An act of several transactions is recorded before the first one, with the outcome ``begun``, and
    again when it has ended. ``ends`` is the key of the earlier entry: people see one of both.
    """
    is_done, key = outcome is AuditOutcome.DONE, 0
    common = {
        "action": action,
        "actor": _fitting(by, MOST_NAME),
        "user_id": "" if user_id is None else str(user_id),
        "source": source,
        "query": dict(query or {}),
        "reason": _fitting(reason, MOST_WORDS),
        "details": dict(details or {}),
        "outcome": outcome,
    }
    with transaction.atomic():
        for code, theirs in _by_store(rows, store):
            size = MOST_TARGETS if named else max(len(theirs), 1)
            for start in range(0, max(len(theirs), 1), size):
                part = theirs[start : start + size]
                number = len(part) if is_done and part and count is None else count or 0
                key = _add(part, common | {"store_id": code, "count": number}, named=named)
        if ends is not None:
            supersede(ends, by=key)
    return key


def supersede(earlier: int, *, by: int) -> None:
    """Have people see the entry ``by`` in place of an earlier one of the same act."""
    label = AuditEntry._meta.label_lower
    AuditedRow.objects.create(entry_id=by, model=label, object_id=str(earlier))


def record_end(**facts: Any) -> None:
    """Record how an act ended (:func:`record`), on a new connection if the old one is dead.

    If the database does not answer, a log line takes the entry's place, and people see that the act
    has begun.
    """
    connection = connections[router.db_for_write(AuditEntry)]
    if connection.connection and not connection.in_atomic_block and not connection.is_usable():
        connection.close()
    try:
        record(**facts)
    except Error as error:
        text = [facts.get(name) for name in ("action", "outcome", "count", "details")]
        logger.warning("event=end_not_in_the_audit_log facts=%r error=%r", text, error)


def record_user(user: Any, *, source: AuditSource = AuditSource.ADMIN, **facts: Any) -> None:
    """The same for an act of a user who is logged in."""
    record(by=user.get_username(), user_id=user.pk, source=source, **facts)


def _by_store(
    rows: Sequence[Model], store: str | None
) -> Sequence[tuple[str | None, Sequence[Model]]]:
    if store is not None or not rows:
        return [(store, rows)]
    codes = {row.pk: _code_of(row) for row in rows}
    stores = Store.objects.filter(pk__in=set(codes.values()) - {""})
    known = set(stores.values_list("pk", flat=True))
    found: dict[str | None, list[Model]] = defaultdict(list)
    for row in rows:
        found[codes[row.pk] if codes[row.pk] in known else None].append(row)
    return list(found.items())


def _code_of(row: Model) -> str:
    """The code of the store to which a row belongs, or that came with it; empty without one."""
    if isinstance(row, Store):
        return row.pk
    return getattr(row, "store_id", "") or getattr(row, "store_code", "") or ""


def _fitting(text: str, most: int | None) -> str:
    """As much of a text as the column holds: an act is not refused because of many words."""
    return text.replace("\0", "")[:most]


def _add(rows: Sequence[Model], values: Mapping[str, Any], *, named: bool) -> int:
    model = rows[0]._meta.label_lower if rows else ""
    keys = [str(row.pk) for row in rows] if named else []
    entry = AuditEntry.objects.create(target_model=model, target_ids=keys, **values)
    AuditedRow.objects.bulk_create(
        AuditedRow(entry=entry, model=model, object_id=key) for key in keys
    )
    return entry.pk
