"""Records what people do in the admin: in the audit log, and in the log of Django's admin.

Django's log is what a row's page shows as its history. Its texts are stored in English and
translated when they are shown. The audit log has more, and is only ever added to.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext_noop

from neural.audit import action_of, record_user

RETRIED = {
    "dead": gettext_noop("state: dead → pending (retry)"),
    "cancelled": gettext_noop("state: cancelled → pending (retry)"),
    "discarded": gettext_noop("state: discarded → pending (retry)"),
}
HURRIED = gettext_noop("due at: now (retry now)")
CANCELLED = gettext_noop("state: pending → cancelled (cancel)")
DISCARDED = gettext_noop("state: dead → discarded (discard)")
REPLAYED = gettext_noop("runs: those of missing handlers (replay)")
CONFIRMED = gettext_noop("confirmed: yes (confirm)")
ROUND_OPENED = gettext_noop("rounds: a new one (run now)")
ROUND_CANCELLED = gettext_noop("state: open → cancelled (cancel)")
PUBLISHED = gettext_noop("in force: no → yes (publish)")
REJECTED = gettext_noop("standing: candidate → rejected (reject)")
ROLLED_BACK = gettext_noop("in force: yes → no, its parent is (roll back)")
REBUILT = gettext_noop("built anew: asked for (rebuild)")
BUILDING_CANCELLED = gettext_noop("state: being built → cancelled (cancel)")
CORRECTED = gettext_noop("state: open → corrected (correct and submit)")
DISMISSED = gettext_noop("state: open → dismissed (dismiss)")
REOPENED = gettext_noop("state: dismissed → open (open again)")
SWITCHED_ON = gettext_noop("state: off → on (switch on)")
SWITCHED_OFF = gettext_noop("state: on → off (switch off)")
SCHEDULE_RUN = gettext_noop("runs: one more (run now)")
QUEUE_PAUSED = gettext_noop("paused: yes (pause)")
QUEUE_RESUMED = gettext_noop("paused: yes → no (resume)")
STOP_ASKED = gettext_noop("asked to stop: yes (stop softly)")
INDEXED_AGAIN = gettext_noop("state: refused → waiting (try again)")


def log_changes(
    *,
    user: Any,
    rows: Sequence[Model],
    change: str,
    action: str,
    details: str = "",
    reason: str = "",
) -> None:
    """Record an act on rows of one model, in both logs. ``change`` is one of the texts above;
    ``details`` and ``reason`` are a person's own words. ``action`` is what was done, like
    ``retry``, or the whole code."""
    if rows:
        with transaction.atomic():
            log_in_history(user=user, rows=rows, change=change, details=details or reason)
            code = action if "." in action else action_of(type(rows[0]), action)
            told = {"changes": [change]}
            acted(user=user, action=code, rows=rows, details=told, reason=reason or details)


def log_in_history(*, user: Any, rows: Sequence[Model], change: str, details: str = "") -> None:
    """Write an entry for each row into Django's log alone."""
    message = [{"changed": {"fields": [change, details] if details else [change]}}]
    LogEntry.objects.log_actions(user.pk, rows, CHANGE, message)


def acted(*, user: Any, action: str, **facts: Any) -> None:
    """Record what a user did in the admin (:func:`neural.audit.record_user`)."""
    record_user(user, action=action, **facts)
