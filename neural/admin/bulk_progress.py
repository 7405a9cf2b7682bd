"""How far a bulk action is, as pages show it."""

from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext

from neural.admin.display import badge
from neural.ledger.clock import database_clock
from neural.models import BulkAction, BulkActionState
from neural.runs.bulk.deciding import WHY_STOPPED
from neural.runs.bulk.progress import progress_of
from neural.sites import address_in_admin

COLOURS: dict[str, str] = {
    BulkActionState.WAITING: "pending",
    BulkActionState.RUNNING: "running",
    BulkActionState.STOPPED: "lost",
    BulkActionState.FINISHED: "succeeded",
}

STALLED = "stalled"


def state_badge(action: BulkAction) -> SafeString:
    """The state; an action that nobody goes on with says so."""
    return _badge(action, standing_of(action))


def _badge(action: BulkAction, standing: str) -> SafeString:
    if standing == STALLED:
        return badge("dead", gettext("nobody goes on with it"))
    return badge(COLOURS[action.state], action.get_state_display())


def standing_of(action: BulkAction) -> str:
    """The state, or ``stalled`` if nobody goes on with it."""
    return STALLED if action.is_stalled else str(action.state)


def progress_context(action: BulkAction) -> dict[str, Any]:
    """What ``admin/neural/bulkaction/progress.html`` needs."""
    progress = progress_of(action, now=database_clock())
    standing = standing_of(action)  # asked once: the action may end between two questions
    return {
        "action": action,
        "progress": progress,
        "per_cent": int(progress.share * 100),
        "standing": standing,
        "state_badge": _badge(action, standing),
        "why_stopped": WHY_STOPPED.get(action.stop_reason, action.stop_reason),
        "progress_address": address_in_admin("neural_bulkaction_progress", action.pk),
    }
