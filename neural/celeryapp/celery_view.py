"""A run in Celery's terms: state, result, traceback, children, and ``self.request``."""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, lru_cache, partial
from types import FunctionType, ModuleType
from typing import Any

from celery import current_app, states
from celery.app.task import Context
from celery.utils.serialization import UnpickleableExceptionWrapper, create_exception_cls

from neural.batches.results import first_failure
from neural.celeryapp.nested import options_of
from neural.kit.stored_json import from_json, to_json
from neural.ledger.exception_facts import RAISED
from neural.models import AttemptOutcome, Batch, RunState, TaskRun
from neural.runs.models.run import FINISHED_STATES

SEND_TASK = "neural.tasks.send_signature"
"""The task whose run sends a plain Celery task."""

_STATES = {
    RunState.RUNNING: states.STARTED,
    RunState.SUCCEEDED: states.SUCCESS,
    RunState.DEAD: states.FAILURE,
    RunState.CANCELLED: states.REVOKED,
}
UNKNOWN: Mapping[str, Any] = {"status": states.PENDING, "result": None}
_LOST = {"exc_type": "WorkerLostError", "exc_module": "billiard.exceptions"}
_REVOKED = {"exc_type": "TaskRevokedError", "exc_module": "celery.exceptions"}


def state_of(run: TaskRun) -> str:
    """Celery's state for the state of a run.

    A dead run that a person discarded is still a FAILURE. A run that raised ``Ignore`` is IGNORED,
    which is no final state to Celery: ``get()`` waits for ever, as it does there. What
    ``update_state`` has shown goes before both.
    """
    if run.progress:
        return str(run.progress["state"])
    if run.state == RunState.PENDING:
        return str(states.RETRY if run.failures else states.PENDING)
    if run.state == RunState.DISCARDED:
        return str(states.FAILURE if run.error else states.IGNORED)
    return str(_STATES[RunState(run.state)])


def meta_of(run: TaskRun) -> dict[str, Any]:
    """A run as a result backend describes it."""
    return metas_of([run])[0]


def metas_of(runs: Iterable[TaskRun]) -> list[dict[str, Any]]:
    """Runs as a result backend describes them, in order."""
    runs = list(runs)
    children = _children(runs)
    return [_meta(run, children.get(run.task_id, [])) for run in runs]


def _meta(run: TaskRun, children: list[Any]) -> dict[str, Any]:
    state = state_of(run)
    result, traceback = _result(run, state)
    return {
        "task_id": run.task_id,
        "status": state,
        "result": result,
        "traceback": traceback,
        "children": children,
        "date_done": run.finished_at,
        "name": run.task,
        "args": run.args,
        "kwargs": run.kwargs,
        "worker": _worker(run),
        "queue": run.queue,
        "retries": run.failures,
        "parent_id": run.parent_task_id or None,
    }


def _result(run: TaskRun, state: str) -> tuple[Any, str | None]:
    if run.progress:
        return from_json(json.dumps(run.progress["meta"])), None
    if state in (states.FAILURE, states.RETRY):
        return failure_of(run)
    if state == states.REVOKED:
        return {**_REVOKED, "exc_message": (run.error or "revoked",)}, None
    if state == states.STARTED:
        return {"pid": run.process_id, "hostname": _worker(run)}, None
    return from_json(to_json(run.result, what="the result")), None


def failure_of(run: TaskRun) -> tuple[Any, str | None]:
    """The last error of a run, as Celery's result backends keep one, and its traceback."""
    last = run.attempts.exclude(outcome=AttemptOutcome.RELEASED).last()
    if last is None or last.outcome == AttemptOutcome.LOST:
        return {**_LOST, "exc_message": (run.error,)}, None
    kind, _, message = last.error.partition(": ")
    if kind == "ChordError" and (header := run.options.get("header")):
        body = {"pk": header["batch"], "options__body__task": "celery.group"}
        failure = first_failure(batch) if (batch := Batch.objects.filter(**body).first()) else None
        meta = current_app.backend.get_task_meta(failure.task_id) if failure else UNKNOWN
        if meta["status"] in states.PROPAGATE_STATES:  # as in Celery: of a group, the member's own
            return meta["result"], meta["traceback"]
    text = {"exc_module": home_of(kind, last.traceback), "exc_type": kind, "exc_message": [message]}
    return exception_of((last.exception_facts or {}).get(RAISED) or text), last.traceback


def exception_of(raised: Mapping[str, Any]) -> Exception:
    """The exception that work raised. Its class is looked up in what is loaded already, and taken
    only from modules that tasks import (CVE-2021-23727); else it is one of the same name."""
    found: Any = sys.modules.get(raised["exc_module"])
    for name in raised["exc_type"].split("."):
        found = vars(found).get(name) if isinstance(found, ModuleType | type) else None
    kinds = {base.__module__ for task in current_app.tasks.values() for base in type(task).__mro__}
    is_known = isinstance(found, type) and issubclass(found, Exception)
    named: Any = create_exception_cls(raised["exc_type"], __name__)
    if not is_known or raised["exc_module"] not in _imported(frozenset(kinds)):
        found = named
    arguments = from_json(json.dumps(raised["exc_message"]))
    for make in (found, partial(_wrapped, found), named):
        with suppress(Exception):  # its class may take other arguments than it keeps
            return make(*arguments)
    return named()


def _wrapped(kind: Any, *arguments: Any) -> Exception:
    """An exception that its class cannot make again: caught as that, and as Celery's wrapper."""
    wrapper = _wrapper_of(kind)
    made: UnpickleableExceptionWrapper = wrapper.__new__(wrapper, *arguments)
    made.exc_module, made.exc_cls_name, made.exc_args = kind.__module__, kind.__name__, arguments
    return made


@cache
def _wrapper_of(kind: Any) -> Any:
    own = {"__module__": kind.__module__, "__str__": Exception.__str__}  # __init__ is not called
    return type(kind.__name__, (kind, UnpickleableExceptionWrapper), own)


@lru_cache(maxsize=1)
def _imported(modules: frozenset[str]) -> frozenset[str]:
    """These modules and those that they import."""
    found, waiting = set(), ["builtins", *modules]
    while waiting:
        name = waiting.pop()
        if name in found or name not in sys.modules:
            continue
        found.add(name)
        for value in list(vars(sys.modules[name]).values()):
            if isinstance(value, ModuleType):
                waiting.append(value.__name__)
            elif isinstance(value, type | FunctionType):
                waiting.append(value.__module__)
    return frozenset(found)


def home_of(kind: str, traceback: str) -> str:
    """The module of an exception, from the last line of its traceback that names it."""
    named = re.findall(rf"^([\w.]+)\.{re.escape(kind)}(?::|$)", traceback, re.M)
    return named[-1] if named else "builtins"


def _worker(run: TaskRun) -> str | None:
    return run.worker.name if run.worker_id and run.worker else None


def _children(runs: Iterable[TaskRun]) -> Mapping[str, list[Any]]:
    """The runs that each of these asked for and its followers, by task ids. None until a run has
    ended, as in Celery."""
    ended = [run.task_id for run in runs if run.state in FINISHED_STATES]
    found: dict[str, list[Any]] = defaultdict(list)
    asked = TaskRun.objects.filter(parent_task_id__in=ended).order_by("pk")
    for child in asked.only("task_id", "task", "args", "parent_task_id"):
        found[child.parent_task_id].append(((sent_id(child) or child.task_id, None), None))
    return found


def sent_id(run: TaskRun) -> str | None:
    """The id of the plain task that a run of ``send_signature`` sends; None for other runs."""
    return _result_id(run.args[0]) if run.task == SEND_TASK and run.args else None


def _result_id(following: Mapping[str, Any]) -> str | None:
    """The id of the task whose result is that of the whole: of a chord, its body's; of a chain, its
    last task's. None if it has none yet, or nothing to do."""
    given = following.get("kwargs") or {}
    if following.get("task") == "celery.chord":
        return _result_id(given.get("body") or {})
    if following.get("task") == "celery.chain":
        return _result_id((given.get("tasks") or [{}])[-1])
    return options_of(following).get("task_id")


def request_of(run: TaskRun) -> dict[str, Any]:
    """The run's values for ``self.request``, whatever the message says."""
    options = run.options
    return {
        "id": run.task_id,
        "task": run.task,
        "called_directly": False,
        "is_eager": False,
        "retries": run.failures,
        "parent_id": run.parent_task_id or None,
        "root_id": run.root_id,
        "group": options.get("group_id"),
        "group_index": options.get("group_index"),
        "expires": options.get("expires_at"),
        "eta": run.available_at.isoformat() if run.available_at > run.created_at else None,
        "headers": options.get("headers") or {},
        "shadow": options.get("shadow"),
        "replaced_task_nesting": options.get("replaced_task_nesting", 0),
        "stamped_headers": options.get("stamped_headers"),
        "stamps": options.get("stamps"),
        "_children": None,
    }


def was_delivered(run: TaskRun) -> bool:
    """Whether the run comes again because its last attempt was lost or released, as rejected; a
    retry is a delivery of its own."""
    last = run.attempts.last() if run.error else None
    return last is not None and last.outcome in (AttemptOutcome.LOST, AttemptOutcome.RELEASED)


def context_of(run: TaskRun) -> Context:
    """The request of a run that has ended, for its error callbacks."""
    return Context(
        id=run.task_id,
        task=run.task,
        args=run.args,
        kwargs=run.kwargs,
        retries=run.failures,
        root_id=run.root_id,
        parent_id=run.parent_task_id or None,
        delivery_info={"routing_key": run.queue},
    )
