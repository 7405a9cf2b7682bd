"""Records runs of tasks in the ledger. (Runs of events: ``neural.events.recording``.)"""

import datetime as dt
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import compress, groupby
from typing import Any, ParamSpec

from django.db import transaction

from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.storable import is_storable
from neural.ledger import dialects, ports
from neural.ledger.insertion import Inserted, insert, row_of
from neural.ledger.on_commit import call_on_commit
from neural.ledger.ports import with_trace
from neural.models import RunEdit, RunState, TaskRun
from neural.queues import PRIORITIES
from neural.runs.models.new_run import NOTHING, NewRun, is_frozen, new_run, new_task_id
from neural.runs.models.run_log import lines, logger

P = ParamSpec("P")
TASK_ID_LENGTH = 255
BY_MESSAGE = "celery message"
"""``requested_by`` of work that came as a message from a plain Celery client."""
_OF_ONE_RUN = {"link", "chain", "chord", "awaited_by", "group_id", "group_index"}
_FOLLOWERS = [f"options__{each}" for each in ("link", "link_error", "chain", "chord")]


class TaskIdTaken(PermanentError):
    """The given task id already belongs to a run of other work."""


def new_task_run(
    *,
    task: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    queue: str,
    priority: int,
    task_id: str | None = None,
    due_in: float | None = None,
    due_at: dt.datetime | None = None,
    unique_key: str | None = None,
    store: str | None = None,
    requested_by: str = "",
    options: Mapping[str, Any] = NOTHING,
    parent: str = "",
    most_bytes: int | None = None,
) -> NewRun:
    """A run of a task, to be given to :func:`enqueue_all`.

    The run is due at ``due_at``, or in ``due_in`` seconds, or at once. ``options`` are Celery's
    options of the call, in the form in which the ledger keeps them. ``parent`` is the task id of
    the calling run.

    Raises ValueError for an invalid priority, queue or task id, and NotStorable for arguments that
    cannot be kept.
    """
    if priority not in PRIORITIES:
        raise ValueError(f"priority must be from 1 to 10 (most urgent), not {priority}")
    if not ports.has_queue(queue):
        raise ValueError(f"there is no queue {queue!r}")
    if task_id is not None:
        check_task_id(task_id)
    due_later = dt.timedelta(seconds=due_in) if due_in and due_in > 0 else None
    return new_run(
        task=task,
        task_id=task_id,
        args=args,
        kwargs=kwargs,
        queue=queue,
        priority=priority,
        unique_key=unique_key,
        store=store,
        due_at=due_at or due_later,
        requested_by=requested_by,
        options=with_trace(task, options),
        parent=parent,
        most_bytes=most_bytes,
    )


def _recorded(request: Callable[P, NewRun]) -> Callable[P, TaskRun]:
    def enqueue(*args: P.args, **options: P.kwargs) -> TaskRun:
        """Record a run in the caller's transaction; publish it on commit if it is due.

        It takes the arguments of :func:`new_task_run`, and answers as :func:`enqueue_all` does.
        """
        run = request(*args, **options)
        (recorded,) = enqueue_all([run])
        return recorded if isinstance(recorded, TaskRun) else row_of(run, recorded)

    return enqueue


enqueue = _recorded(new_task_run)


def enqueue_all(runs: Sequence[NewRun]) -> list[Inserted | TaskRun]:
    """Record runs in the caller's transaction, many by one statement; publish those that are due
    on commit.

    Returns what was recorded, in order. In the place of a run whose work was recorded before under
    its task id, or whose unique key belongs to a pending run, that run is returned. Raises
    :class:`TaskIdTaken` if a task id belongs to other work.
    """
    runs = _spread(runs)
    # By unique keys, so that two callers with the same ones never deadlock.
    ordered = sorted(runs, key=lambda run: run.unique_key or "")
    firsts = {run.task_id: run for run in reversed(ordered)}
    inserted = insert(ordered)
    is_new = [run.task_id in inserted and firsts[run.task_id] is run for run in runs]
    new = list(compress(runs, is_new))
    if logger.isEnabledFor(logging.INFO):
        call_on_commit(_log_recorded, new)
    ports.announce([run for run in new if run.due_at is None])
    return [
        inserted[run.task_id] if new else _existing_run(run)
        for run, new in zip(runs, is_new, strict=True)
    ]


def _spread(runs: Sequence[NewRun]) -> Sequence[NewRun]:
    """These runs, of which only the first get messages when they are recorded: one message leads to
    many quick runs, and what follows them would wait behind messages that are late. The others are
    due at once, too, and a relay publishes those that no worker has taken within a second."""
    first = conf().relay_batch
    if len(runs) <= first:
        return runs
    at_once = dt.timedelta(0)
    return [*runs[:first], *(run._replace(due_at=run.due_at or at_once) for run in runs[first:])]


def record_foreign(
    *,
    task: str,
    task_id: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    queue: str,
    priority: int,
    options: Mapping[str, Any] = NOTHING,
    parent: str = "",
    most_bytes: int | None = None,
    joining: Callable[[Sequence[NewRun]], Sequence[NewRun]] | None = None,
) -> None:
    """Record the run that a plain Celery client's message requests, if it is new.

    ``most_bytes`` limits its arguments, in place of the setting ``max_json_bytes``. ``joining``
    makes it a member of a batch, in the same transaction. Raises :class:`TaskIdTaken` if its task
    id belongs to other work.
    """
    check_task_id(task_id)
    run = new_run(
        task=task,
        task_id=task_id,
        args=args,
        kwargs=kwargs,
        queue=queue,
        priority=priority,
        requested_by=BY_MESSAGE,
        options=options,
        parent=parent,
        most_bytes=most_bytes,
    )
    with transaction.atomic() if joining else nullcontext():
        inserted = insert(joining([run]) if joining else [run])
    if inserted:
        _log([run], "received")
    else:
        _existing_run(run)


def _log_recorded(runs: Sequence[NewRun]) -> None:
    _log(runs, "recorded")


def _log(runs: Sequence[NewRun], change: str) -> None:
    """Log that runs were recorded or received, with who requested them."""
    if not logger.isEnabledFor(logging.INFO):
        return
    for (by, parent), theirs in groupby(runs, lambda run: (run.requested_by, run.parent_task_id)):
        facts = {name: value for name, value in {"by": by, "parent": parent}.items() if value}
        for line in lines(change, list(theirs), {}, facts):
            logger.info("%s", line)


def check_task_id(task_id: str) -> None:
    """Raise ValueError for a task id that is empty, too long, or has characters that cannot be
    kept."""
    if not 0 < len(task_id) <= TASK_ID_LENGTH:
        raise ValueError(f"a task id has 1 to {TASK_ID_LENGTH} characters, not {len(task_id)}")
    if not is_storable(task_id):
        raise ValueError("a task id cannot contain U+0000 or half of a surrogate pair")


def without_followers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without links, chains and groups, which wait for one result: for the other runs
    of a call that makes several runs."""
    return {name: value for name, value in options.items() if name not in _OF_ONE_RUN}


def _existing_run(run: NewRun) -> Inserted | TaskRun:
    """The recorded run because of whose task id or unique key this one was not inserted."""
    found = TaskRun.objects.filter(task_id=run.task_id).first()
    if found is not None and _is_another_call(found, run):
        found, run = None, run._replace(task_id=new_task_id())
    if found is not None and not _same_work(found, run):
        raise TaskIdTaken(f"task id {run.task_id!r} was recorded before for other work: {found}")
    if found is None and run.unique_key:
        found = _waiting(run.unique_key)
    if found is not None:
        return found
    (recorded,) = enqueue_all([run])  # the waiting one has started meanwhile
    return recorded


def _is_another_call(found: TaskRun, run: NewRun) -> bool:
    """Whether a canvas was called again with the ids of an earlier call, which has another root.

    That goes for ids that freezing has made, and for those that a plain client's canvas brings, in
    which nobody replaces them: in a message, or among what the message of the root or the parent
    has to start. An id that a caller has chosen stays that of one run.
    """
    root = run.options.get("root_id")
    is_message = run.requested_by == BY_MESSAGE
    if root == found.options.get("root_id") and (root or is_message):
        return False  # the same call, which is repeated
    if is_frozen(run.task_id):
        return True
    is_random = len(run.task_id) == 36 and run.task_id[14] == "4"  # as plain Celery makes its ids
    if is_message or not (root and is_random):
        return bool(root) and is_random
    theirs = TaskRun.objects.filter(task_id__in=[root, run.parent_task_id], requested_by=BY_MESSAGE)
    return f'"task_id": "{run.task_id}"' in json.dumps(list(theirs.values_list(*_FOLLOWERS)))


def _waiting(unique_key: str) -> TaskRun | None:
    """The pending run of this key, which now starts only after the caller's transaction has ended.

    Otherwise it could end without having seen what that transaction has written, and no other run
    would look.
    """
    with dialects.ledger_connection().cursor() as cursor:
        dialects.ledger_dialect().hold(cursor, unique_key)
    return TaskRun.objects.filter(unique_key=unique_key, state=RunState.PENDING).first()


def _same_work(found: TaskRun, run: NewRun) -> bool:
    """Whether a recorded run was asked for with the same work, before any person edited it."""
    if found.task != run.task:
        return False
    args, kwargs = list(run.args), dict(run.kwargs)
    if (found.args, found.kwargs) == (args, kwargs):
        return True
    first = RunEdit.objects.filter(run_id=found.pk).order_by("pk").values_list("before", flat=True)
    return any(before == {"args": args, "kwargs": kwargs} for before in first[:1])
