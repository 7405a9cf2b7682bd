"""A run on its way into the ledger: what its row, its first message and its log line say.

Not a :class:`TaskRun`: making that many model instances is a tenth of what ``submit_many``
costs, and nobody reads them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple


class NewRun(NamedTuple):
    """The columns of a run that its submitter decides."""

    task_id: str
    task: str
    handler: str
    queue: str
    priority: int
    requested_by: str
    options: Mapping[str, Any]
    parent_task_id: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})

    @property
    def work_name(self) -> str:
        """As a recorded run's."""
        return self.handler or self.task

    @property
    def root_id(self) -> str:
        """As a recorded run's."""
        return self.options.get("root_id") or self.task_id

    @property
    def goes_alone(self) -> bool:
        """As a recorded run's: nothing has befallen it yet, so its options alone decide."""
        return bool(self.options)
