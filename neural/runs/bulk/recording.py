"""The entries that bulk actions leave in the audit log."""

from typing import Any

from neural import audit
from neural.models import AuditEntry, AuditOutcome, AuditSource, BulkAction

MOST_NAMED = 100
"""Chosen runs that an entry names."""


def record(
    action: BulkAction,
    outcome: AuditOutcome,
    *,
    source: AuditSource = AuditSource.ADMIN,
    **details: Any,
) -> None:
    """Record how the action stands, in the caller's transaction and in the name of who asked for
    it, with the number of changed runs. People see the newest of its entries alone."""
    action.refresh_from_db(fields=["changed", "unfit", "failed"])
    code = f"runs.bulk.{action.verb}"
    named = {"rows__model": action._meta.label_lower, "rows__object_id": str(action.pk)}
    before = AuditEntry.objects.filter(action=code, **named).order_by("-pk").first()
    audit.record(
        action=code,
        by=action.requested_by,
        source=AuditSource(before.source) if before else source,
        user_id=action.user_id,
        rows=[action],
        query=action.query,
        store=action.query.get("store"),
        reason=action.reason,
        details=_told(action) | details,
        outcome=outcome,
        count=action.changed,
        ends=before.pk if before else None,
    )


def _told(action: BulkAction) -> dict[str, Any]:
    names = ("verb", "expected", "unfit", "failed", "pace")
    told = {name: value for name in names if (value := getattr(action, name))}
    if action.is_of_chosen:
        told["runs"] = (action.run_ids or [])[:MOST_NAMED]
    return told | action.values
