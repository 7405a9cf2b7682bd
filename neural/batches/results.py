"""The results of a batch's members."""

from typing import Any

from neural.errors import PermanentError
from neural.models import Batch


class MemberNotSucceeded(PermanentError):
    """A member of the batch has no result."""

    def __init__(self, task_id: str, error: str) -> None:
        super().__init__(f"Dependency {task_id} raised {error}")
        self.task_id = task_id
        self.error = error
        """The last error of the member, or its state."""


def values(batch: Batch) -> list[Any]:
    """The members' results in their order (``group_index``, then in the order in which they were
    recorded), as the database keeps them (``neural.stored_json.from_json`` is not applied).

    Raises :class:`MemberNotSucceeded` for the first member in this order that has not succeeded.
    """
    raise NotImplementedError


def first_failure(batch: Batch) -> MemberNotSucceeded | None:
    """The error of :func:`values`; None if all members have succeeded. A batch that failed because
    of a dead member names that one before members that were cancelled."""
    raise NotImplementedError


def counts(batch: Batch) -> dict[str, int]:
    """How many members are in each state: those of runs, and of awaited members as runs name them
    (``pending``, ``succeeded``, ``dead``, ``cancelled``). States without members are left out."""
    raise NotImplementedError
