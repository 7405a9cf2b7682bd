"""The outcome of each run, on the page of a bulk action: paged by the runs' keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from neural.admin.paging import AFTER, key_in
from neural.models import BulkAction, BulkActionItem, BulkOutcome, RunState, TaskRun
from neural.personal.redacting import for_user
from neural.runs.bulk.applying import WHY_UNFIT

OUTCOME = "outcome"
SIZE = 50
COLOURS: dict[str, str] = {
    BulkOutcome.CHANGED: "succeeded",
    BulkOutcome.UNFIT: "unhandled",
    BulkOutcome.FAILED: "failed",
}


@dataclass(frozen=True, kw_only=True)
class ShownItem:
    """What became of a run; ``run`` is None if it was pruned, or the user does not see it."""

    item: BulkActionItem
    run: TaskRun | None
    before: Any
    detail: Any

    @property
    def colour(self) -> str:
        return COLOURS[self.item.outcome]


@dataclass(frozen=True, kw_only=True)
class ItemsPage:
    """One page of outcomes; ``onward`` is the key after which the next page begins."""

    shown: Sequence[ShownItem]
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
    shown = found[:SIZE]
    return ItemsPage(
        shown=_shown(shown, request.user),
        choices=_choices(action),
        outcome=outcome,
        onward=shown[-1].run_id if len(found) > SIZE else None,
        is_first=not after,
    )


def _choices(action: BulkAction) -> Sequence[tuple[str, Any, int]]:
    numbers = (action.changed, action.unfit, action.failed)
    outcomes = (BulkOutcome.CHANGED, BulkOutcome.UNFIT, BulkOutcome.FAILED)
    return [
        (each.value, each.label, number) for each, number in zip(outcomes, numbers, strict=True)
    ]


def _shown(items: Sequence[BulkActionItem], user: Any) -> Sequence[ShownItem]:
    runs = _runs([item.run_id for item in items], user)
    return [
        ShownItem(
            item=item,
            run=runs.get(item.run_id),
            before=_state(item.before),
            detail=_detail(item.detail, user),
        )
        for item in items
    ]


def _detail(detail: str, user: Any) -> Any:
    """Why the run was left as it was; or what the database said, as this user may see it."""
    if not detail or detail in WHY_UNFIT:
        return WHY_UNFIT.get(detail, "")
    return for_user(detail, user)


def _state(code: str) -> Any:
    return RunState(code).label if code in RunState.values else code


def _runs(keys: Sequence[int], user: Any) -> dict[int, TaskRun]:
    if not user.has_perm("neural.view_taskrun"):
        return {}
    runs: Any = TaskRun.objects.filter(pk__in=keys)
    mine = runs.for_user(user).select_related("store").defer("args", "kwargs", "result")
    return {run.pk: run for run in mine}
