"""The audit log: who did what to which row. It uses the log of Django's admin.

Entries are stored in English and translated when they are shown, like Django's own entries.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.utils.translation import gettext_noop

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


def log_changes(*, user: Any, rows: Sequence[Model], change: str, details: str = "") -> None:
    """Write one log entry for each row. ``change`` is one of the texts above; ``details`` are a
    person's own words."""
    if rows:
        message = [{"changed": {"fields": [change, details] if details else [change]}}]
        LogEntry.objects.log_actions(user.pk, rows, CHANGE, message)
