"""What people did to a run: from the audit log, from bulk actions and from edits."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import pgettext_lazy

from neural.admin.audit_titles import title_of
from neural.admin.display import page_address
from neural.admin.run_edit.shown import ShownChanges, changes_of
from neural.models import (
    AuditedRow,
    AuditEntry,
    AuditOutcome,
    BulkActionItem,
    RunEdit,
    TaskRun,
)
from neural.personal.redacting import for_user
from neural.runs.lineage import edits_of

MOST_ACTS = 50


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act of a person. ``outcome`` is empty if it was done, ``address`` that of a page about
    it, ``changes`` what an edit changed."""

    at: dt.datetime
    by: str
    title: Any
    reason: str = ""
    outcome: Any = ""
    address: str = ""
    changes: ShownChanges | None = field(default=None)


def acts_on(run: TaskRun, user: Any) -> Sequence[Act]:
    """What people did to the run, the newest :data:`MOST_ACTS` of each kind, by time."""
    found = [*_audited(run, user), *_in_bulk(run, user), *_edits(run, user)]
    return sorted(found, key=lambda act: act.at)


def _audited(run: TaskRun, user: Any) -> Iterator[Act]:
    """Entries that name the run, without those that the other two kinds tell in full. Nothing for
    who may not see the audit log."""
    if not user.has_perm("neural.view_auditentry"):
        return
    named = AuditedRow.objects.filter(model="neural.taskrun", object_id=str(run.pk))
    rows: QuerySet[AuditedRow] = named.select_related("entry").order_by("-entry")
    for row in rows[:MOST_ACTS]:
        entry: AuditEntry = row.entry
        is_done = entry.outcome == AuditOutcome.DONE
        if entry.action.startswith("runs.bulk.") or (entry.action == "run.edit" and is_done):
            continue
        yield Act(
            at=entry.at,
            by=entry.actor,
            title=title_of(entry.action),
            reason=for_user(entry.reason, user),
            outcome="" if is_done else entry.get_outcome_display(),
            address=_address(entry, user, "neural.view_auditentry"),
        )


def _in_bulk(run: TaskRun, user: Any) -> Iterator[Act]:
    items = BulkActionItem.objects.filter(run_id=run.pk).select_related("action")
    for item in items.order_by("-pk")[:MOST_ACTS]:
        yield Act(
            at=item.at,
            by=item.action.requested_by,
            title=item.action,
            reason=for_user(item.action.reason, user),
            outcome=item.get_outcome_display(),
            address=_address(item.action, user, "neural.view_bulkaction"),
        )


def _edits(run: TaskRun, user: Any) -> Iterator[Act]:
    for edit in edits_of(run):
        yield Act(
            at=edit.at,
            by=edit.edited_by,
            title=title_of("run.edit"),
            reason=for_user(edit.reason, user),
            outcome=_outcome(edit),
            changes=changes_of(edit.before, edit.after, user),
        )


def _outcome(edit: RunEdit) -> Any:
    if edit.new_event_id is None:
        return pgettext_lazy("edit of a run", "retried with other arguments")
    return pgettext_lazy("edit of a run", "a corrected event was submitted in its place")


def _address(row: Any, user: Any, permission: str) -> str:
    return page_address(row) if user.has_perm(permission) else ""
