"""How far a bulk action is, and the outcome of each run, paged by the runs' keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from neural.admin.display import badge
from neural.admin.paging import AFTER, key_in
from neural.ledger.clock import database_clock
from neural.models import (
    BulkAction,
    BulkActionItem,
    BulkActionState,
    BulkOutcome,
    RunState,
    TaskRun,
)
from neural.personal.redacting import for_user
from neural.runs.bulk.acting import WHY_UNFIT
from neural.runs.bulk.deciding import WHY_STOPPED
from neural.runs.bulk.progress import progress_of

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
    }


OUTCOME = "outcome"
SIZE = 50
OUTCOME_COLOURS: dict[str, str] = {
    BulkOutcome.CHANGED: "succeeded",
    BulkOutcome.UNFIT: "unhandled",
    BulkOutcome.FAILED: "failed",
}


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """What became of a run; ``run`` is None if it was pruned, or the user does not see it."""

    item: BulkActionItem
    run: TaskRun | None
    before: Any
    detail: Any

    @property
    def colour(self) -> str:
        return OUTCOME_COLOURS[self.item.outcome]


@dataclass(frozen=True, kw_only=True)
class ItemsPage:
    """One page of outcomes; ``onward`` is the key after which the next page begins."""

    shown: Sequence[ItemRow]
    choices: Sequence[tuple[str, Any, int]]
    outcome: str
    onward: int | None
    is_first: bool


def items_page(action: BulkAction, request: HttpRequest) -> ItemsPage:
    """The outcomes that the address asks for (``outcome``, ``after``), in the order of the runs'
    keys."""
    outcome = request.GET.get(OUTCOME, "")
    outcome = outcome if outcome in BulkOutcome.values else ""
    after = key_in(request.GET.get(AFTER)) or 0
    rows = BulkActionItem.objects.filter(action=action, run_id__gt=after)
    rows = rows.filter(outcome=outcome) if outcome else rows
    found = list(rows.order_by("run_id")[: SIZE + 1])
    visible = found[:SIZE]
    runs = _runs([item.run_id for item in visible], request.user)
    states = dict(RunState.choices)
    return ItemsPage(
        shown=[
            ItemRow(
                item=item,
                run=runs.get(item.run_id),
                before=states.get(item.before, item.before),
                detail=_detail(item.detail, request.user),
            )
            for item in visible
        ],
        choices=[(each.value, each.label, getattr(action, each.value)) for each in BulkOutcome],
        outcome=outcome,
        onward=visible[-1].run_id if len(found) > SIZE else None,
        is_first=not after,
    )


def _detail(detail: str, user: Any) -> Any:
    """Why the run was left as it was; or what the database said, as this user may see it."""
    if not detail or detail in WHY_UNFIT:
        return WHY_UNFIT.get(detail, "")
    return for_user(detail, user)


def _runs(keys: Sequence[int], user: Any) -> dict[int, TaskRun]:
    if not user.has_perm("neural.view_taskrun"):
        return {}
    runs: Any = TaskRun.objects.filter(pk__in=keys)
    mine = runs.for_user(user).select_related("store").defer("args", "kwargs", "result")
    return {run.pk: run for run in mine}
