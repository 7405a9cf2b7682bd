"""Where a run comes from, and what came of it: its caller, the runs that it has started, edits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from neural.models import RunEdit, TaskRun
from neural.runs.models.run import TaskRunQuerySet

MOST_CHILDREN = 50
MOST_EDITS = 20


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The runs around one, as far as a user may see them."""

    root: TaskRun | None
    """The run that started the workflow; None if it is this one, its parent, or not kept."""
    parent: TaskRun | None
    children: Sequence[TaskRun]
    """Runs that it has started, at most :data:`MOST_CHILDREN`, the oldest of these first."""
    more_children: bool
    edited_from: Sequence["Link"]
    edited_to: Sequence["Link"]

    def __bool__(self) -> bool:
        return bool(self.root or self.parent or self.children or self.edited_from or self.edited_to)


@dataclass(frozen=True, kw_only=True)
class Link:
    """An edit, and the run at its other end if it is another one that the user may see."""

    edit: RunEdit
    run: TaskRun | None


def lineage_of(run: TaskRun, user: Any) -> Lineage:
    """The runs around this one. Each query reads an index and a bounded number of rows."""
    visible: Any = TaskRun.objects.for_user(user)
    runs: TaskRunQuerySet = visible.defer("args", "kwargs", "result", "options")
    others = {run.parent_task_id, run.root_id} - {"", run.task_id}
    callers = {each.task_id: each for each in runs.filter(task_id__in=others)}
    parent = callers.get(run.parent_task_id)
    root = callers.get(run.root_id)
    # In the order of the index, which a run that started very many is not sorted for.
    mine = runs.filter(parent_task_id=run.task_id).exclude(parent_task_id="")
    found = list(mine.order_by("parent_task_id")[: MOST_CHILDREN + 1])
    children = sorted(found, key=lambda child: child.pk)
    return Lineage(
        root=None if root == parent else root,
        parent=parent,
        children=children[:MOST_CHILDREN],
        more_children=len(children) > MOST_CHILDREN,
        edited_from=_links(Q(new_run_id=run.pk), "run_id", runs),
        edited_to=_links(Q(run_id=run.pk, new_run_id__isnull=False), "new_run_id", runs),
    )


def edits_of(*keys: int) -> Sequence[RunEdit]:
    """The edits of the runs with these keys, the oldest first."""
    return list(RunEdit.objects.filter(run_id__in=keys).order_by("pk")[:MOST_EDITS])


def _links(condition: Q, other: str, runs: TaskRunQuerySet) -> list[Link]:
    edits = list(RunEdit.objects.filter(condition).order_by("pk")[:MOST_EDITS])
    found = runs.in_bulk([getattr(each, other) for each in edits])
    return [Link(edit=each, run=found.get(getattr(each, other))) for each in edits]
