"""The entries that bulk actions leave in the audit log."""

from typing import Any

from neural import audit
from neural.models import AuditSource, BulkAction

MOST_NAMED = 100
"""Chosen runs that an entry names."""


def record(
    action: BulkAction,
    act: str,
    *,
    user: Any = None,
    reason: str = "",
    source: AuditSource = AuditSource.ADMIN,
    **details: Any,
) -> None:
    """Record ``runs.bulk.<act>`` in the caller's transaction, with the number of changed runs.

    ``user`` is who acted; None: the action itself, in the name of who asked for it. To begin an
    action is recorded as its verb, with the number of runs that it means.
    """
    action.refresh_from_db(fields=["changed", "unfit", "failed"])
    is_begun = act == action.verb
    audit.record(
        action=f"runs.bulk.{act}",
        by=user.get_username() if user else action.requested_by,
        source=source,
        user_id=user.pk if user else action.user_id,
        query=action.query,
        store=action.query.get("store"),
        reason=reason,
        details=_told(action) | details,
        count=action.expected if is_begun else action.changed,
    )


def _told(action: BulkAction) -> dict[str, Any]:
    told: dict[str, Any] = {"bulk_action": action.pk, "verb": action.verb, **action.values}
    if action.run_ids is not None:
        told["runs"] = action.run_ids[:MOST_NAMED]
    if action.pace:
        told["pace"] = action.pace
    return told
