"""A run that is about to be recorded: the values for its row, first message and log line.

Every row of a run is made from a :class:`NewRun`, and :func:`new_run` makes all of these. They are
no :class:`TaskRun` instances, because creating those would be a tenth of the cost of
``submit_many``, and nobody reads them.
"""

import datetime as dt
import secrets
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db.models.functions import Now

from neural.kit.conf import conf
from neural.kit.stored_json import plain
from neural.runs.models.run import TaskRun, has_limits

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
    batch_id: int | None
    """The primary key of the batch of which the run is a member."""
    due_at: dt.datetime | dt.timedelta | None
    """A time, or how long after it is recorded; None means at once."""

    @property
    def work_name(self) -> str:
        """The handler for an event's run, the task for any other; like ``TaskRun.work_name``."""
        return self.handler or self.task

    @property
    def root_id(self) -> str:
        """The task id of the run that started the workflow; like ``TaskRun.root_id``."""
        return self.options.get("root_id") or self.task_id

    @property
    def goes_alone(self) -> bool:
        """Whether the run is never batched; like ``TaskRun.goes_alone``. A new run has not failed
        yet, so only its options count."""
        return has_limits(self.options)

    def row(self, **others: Any) -> TaskRun:
        """An unsaved :class:`TaskRun`; ``others`` are more columns, for a run that has ended."""
        columns = self._asdict()
        due_at = columns.pop("due_at")
        columns |= {"args": list(self.args), "kwargs": dict(self.kwargs)}
        if isinstance(due_at, dt.timedelta):
            due_at = Now() + due_at
        columns |= {"options": dict(self.options), "available_at": due_at or Now()}
        # The message of a due run is published on commit; if it is lost, the relay sends another
        # one at this time.
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
    due_at: dt.datetime | dt.timedelta | None = None,
    requested_by: str = "",
    options: Mapping[str, Any] = NOTHING,
    parent: str = "",
    most_bytes: int | None = None,
) -> NewRun:
    """A run to be recorded, with its arguments as plain JSON will read them back.

    Raises :class:`~neural.kit.stored_json.NotStorable` for arguments that cannot be kept, as those
    of more than ``most_bytes`` (by default the setting ``max_json_bytes``). ``task_id`` defaults
    to a new one; ``store`` is the store's code, ``parent`` the task id of the calling run.
    """

    def kept(value: Any, what: str) -> Any:
        return plain(value, what=f"the {what} of {task}", most_bytes=most_bytes)

    return NewRun(
        task_id=task_id or new_task_id(),
        task=task,
        handler=handler,
        queue=queue,
        priority=priority,
        requested_by=requested_by,
        options=options,
        parent_task_id=parent,
        args=kept(list(args), "arguments") if args else (),
        kwargs=kept(dict(kwargs), "keyword arguments") if kwargs else NOTHING,
        event_id=event_id,
        store_id=store,
        unique_key=unique_key,
        batch_id=None,
        due_at=due_at,
    )


def new_task_id() -> str:
    """A new UUID of version 7 (RFC 9562): consecutive ids are near each other in the index."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_FROZEN = "8ce1"
"""The third group of an id that freezing has made: version 8 (custom, RFC 9562), and 'ce1'."""


def new_frozen_id() -> str:
    """A new id as Celery's freezing gives it to a task or group: one call of a canvas uses it."""
    text = new_task_id()
    return f"{text[:14]}{_FROZEN}{text[18:]}"


def is_frozen(task_id: Any) -> bool:
    """Whether an id was made by freezing, and not chosen by a caller."""
    return isinstance(task_id, str) and len(task_id) == 36 and task_id[14:18] == _FROZEN
