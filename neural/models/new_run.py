"""A run on its way into the ledger: what its row, its first message and its log line say.

Every row of a run is made of a :class:`NewRun`, and every one of these by :func:`new_run`. It is
not a :class:`TaskRun`: making that many model instances is a tenth of what ``submit_many`` costs,
and nobody reads them.
"""

import datetime as dt
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db.models.functions import Now

from neural.conf import conf
from neural.models.run import TaskRun
from neural.stored_json import plain

NOTHING: Mapping[str, Any] = MappingProxyType({})


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
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    event_id: int | None
    store_id: str | None
    unique_key: str | None
    due_at: Any
    """A time or an expression of the database's; None: at once."""

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

    def row(self, **others: Any) -> TaskRun:
        """As Django inserts it; ``others`` are columns of a run that is over already."""
        columns = self._asdict()
        due_at = columns.pop("due_at")
        columns |= {"args": list(self.args), "kwargs": dict(self.kwargs)}
        columns |= {"options": dict(self.options), "available_at": due_at or Now()}
        # What is due is published on commit. A message that is lost on this way is sent anew then.
        publish_at = due_at or Now() + dt.timedelta(seconds=conf().republish_seconds)
        return TaskRun(**columns, publish_at=publish_at, **others)


def new_run(
    *,
    task: str,
    queue: str,
    priority: int,
    task_id: str | None = None,
    handler: str = "",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = NOTHING,
    event_id: int | None = None,
    store: str | None = None,
    unique_key: str | None = None,
    due_at: Any = None,
    requested_by: str = "",
    options: Mapping[str, Any] = NOTHING,
    parent: str = "",
) -> NewRun:
    """A run to be recorded, with its arguments as they will be read back; or
    :class:`~neural.stored_json.NotStorable`."""
    return NewRun(
        task_id=task_id or new_task_id(),
        task=task,
        handler=handler,
        queue=queue,
        priority=priority,
        requested_by=requested_by,
        options=options,
        parent_task_id=parent,
        args=plain(list(args), what=f"the arguments of {task}") if args else (),
        kwargs=plain(dict(kwargs), what=f"the keyword arguments of {task}") if kwargs else NOTHING,
        event_id=event_id,
        store_id=store,
        unique_key=unique_key,
        due_at=due_at,
    )


def new_task_id() -> str:
    """A UUID of version 7 (RFC 9562): ids made one after the other are near in the index."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
