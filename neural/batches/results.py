"""The results of a batch's members, and how many of them are in each state."""

from collections import Counter
from typing import Any

from django.db.models import Count

from neural.batches.ending import NOT_SUCCEEDED
from neural.batches.models import AS_RUNS
from neural.kit.errors import PermanentError
from neural.models import AwaitedMember, AwaitedState, Batch, RunState, TaskRun

_WORST_FIRST = (RunState.DEAD, RunState.DISCARDED, RunState.CANCELLED)


class MemberNotSucceeded(PermanentError):
    """A member of the batch has no result."""

    def __init__(self, task_id: str, error: str) -> None:
        super().__init__(f"Dependency {task_id} raised {error}")
        self.task_id = task_id
        self.error = error
        """The last error of the member, or its state."""


class ResultsPruned(PermanentError):
    """Members of the batch are no longer there, or were never recorded."""


def values(batch: Batch) -> list[Any]:
    """The members' results in their order (``group_index``, then in the order in which they were
    recorded), as the database keeps them (``neural.kit.stored_json.from_json`` is not applied).

    Raises :class:`MemberNotSucceeded` if a member has not succeeded, and :class:`ResultsPruned` if
    there are fewer members than the batch's ``size``.
    """
    found = _members(batch, "value")
    if any(state != RunState.SUCCEEDED for state, *_ in found):
        failure = first_failure(batch)
        raise failure or MemberNotSucceeded("", "nothing yet: it was retried meanwhile")
    if batch.size is not None and len(found) < batch.size:
        raise ResultsPruned(f"{batch}: {batch.size - len(found)} results are no longer there")
    return [value for *_, value in found]


def first_failure(batch: Batch) -> MemberNotSucceeded | None:
    """The error of :func:`values`; None if all members have succeeded. A batch that failed because
    of a dead member names that one before members that were cancelled."""
    found = _members(batch, "error")
    for wanted in (*_WORST_FIRST, RunState.RUNNING, RunState.PENDING):
        for state, _place, task_id, error in found:
            if state == wanted:
                return MemberNotSucceeded(task_id, error or state)
    return None


def has_failed(batch_id: str) -> bool | None:
    """Whether a member has ended without success; None if there is no batch of this id."""
    batch = Batch.objects.filter(batch_id=batch_id).only("pk").first()
    if batch is None:
        return None
    runs = TaskRun.objects.filter(batch=batch, state__range=NOT_SUCCEEDED)
    others = AwaitedMember.objects.filter(batch_key=batch_id)
    failed = others.exclude(state__in=(AwaitedState.OPEN, AwaitedState.SUCCEEDED))
    return runs.exists() or failed.exists()


def _members(batch: Batch, what: str) -> list[tuple[str, Any, str, Any]]:
    """State, place, task id, and error or value of each member, in order."""
    runs = TaskRun.objects.filter(batch=batch).values_list(
        "state", "options__group_index", "pk", "task_id", "result" if what == "value" else what
    )
    others = AwaitedMember.objects.filter(batch_key=batch.batch_id).values_list(
        "state", "group_index", "pk", "task_id", what
    )
    found = [(state, (place is None, place, 0, pk), *rest) for state, place, pk, *rest in runs]
    found += [
        (AS_RUNS[state], (place is None, place, 1, pk), *rest) for state, place, pk, *rest in others
    ]
    return sorted(found, key=lambda each: each[1])


def counts(batch: Batch) -> dict[str, int]:
    """How many members are in each state: those of runs, and of awaited members as runs name them
    (``pending``, ``succeeded``, ``dead``, ``cancelled``). States without members are left out."""
    found: Counter[str] = Counter()
    runs = TaskRun.objects.filter(batch=batch).order_by()
    found.update(dict(runs.values_list("state").annotate(Count("pk"))))
    others = AwaitedMember.objects.filter(batch_key=batch.batch_id).order_by()
    for state, number in others.values_list("state").annotate(Count("pk")):
        found[AS_RUNS[state]] += number
    return dict(found)
