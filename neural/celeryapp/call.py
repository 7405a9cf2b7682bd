"""Calling a ledger task: records a run with its options, limits, parent and root.

The options are kept as the ledger needs them (:func:`keep`); one that it cannot keep is refused.
"""

import datetime as dt
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from typing import Any, NamedTuple

from celery import Task, current_app
from celery.result import AsyncResult
from celery.utils.time import maybe_iso8601
from django.utils import timezone
from kombu.utils.functional import maybe_list

from neural import queues
from neural.broker.envelopes import LEAST_LIMIT_SECONDS
from neural.celeryapp import chords
from neural.celeryapp.groups import collect
from neural.kit.errors import PermanentError
from neural.kit.stored_json import CANVAS_BYTES, from_json, plain
from neural.ledger import record
from neural.ledger.clock import database_clock
from neural.ledger.work import current_run
from neural.models import TaskRun
from neural.runs.models.new_run import NewRun

SOFT_SHARE = 0.9
"""The soft limit as a share of a hard limit given without one: time to end the attempt before the
process is ended."""
LEDGER_TASK = "neural.celeryapp.task"
# Options that concern one message and not the work: a message sent again has its own.
_OF_THE_MESSAGE = {
    "producer",
    "publisher",
    "connection",
    "router",
    "retry",
    "retry_policy",
    "serializer",
    "compression",
    "add_to_parent",
    "ignore_result",
    "delivery_mode",
    "periodic_task_name",
    "reply_to",
    "link",
    "link_error",
    "expires",
    "throw",
    "immutable",  # left there by Celery's clone(immutable=True), as for a chord's header
}
_PROPERTIES = {
    "app_id",
    "cluster_id",
    "content_encoding",
    "content_type",
    "immediate",
    "mandatory",
    "message_id",
    "timestamp",
    "type",
    "user_id",
}
"""Properties of a message, which change nothing for a run: ``self.request`` alone has them."""
WITHOUT_EFFECT = (_OF_THE_MESSAGE | _PROPERTIES) - {"link", "link_error"}
"""Options that ``self.retry()`` may be given."""
_STORED_AS_GIVEN = {
    "time_limit",
    "soft_time_limit",
    "headers",
    "chain",
    "root_id",
    "group_id",
    "group_index",
    "shadow",
    "argsrepr",
    "kwargsrepr",
    "replaced_task_nesting",
    chords.HEADER,
}


class CalledTask(Task):
    """``apply_async`` and ``delay`` of a ledger task."""

    abstract = True

    run_priority: int | None = None
    """From 1 to 10; 10 is most urgent. The default is the task's Celery option ``priority``, then
    the routing table, then 5."""
    run_queue: str | None = None
    """The queue of its runs unless the call names one. The default is the task's Celery option
    ``queue``, then the routing table (``neural.queues``), then ``task_routes``."""

    def apply_async(  # type: ignore[override]
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        task_id: str | None = None,
        countdown: float | None = None,
        eta: dt.datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        unique_key: str | None = None,
        store: str | None = None,
        requested_by: str = "",
        headers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Record a run; it is published when the transaction commits.

        Celery's options are kept in the run, so a message sent again is the same message:
        ``expires``, ``time_limit``, ``soft_time_limit``, ``headers``, ``link``, ``link_error``,
        chains and groups. ``unique_key``: while a run with this key waits, no second one is
        recorded, and the result is that of the first. ``store``: code of the store whose users see
        the run. Raises :class:`OptionNotKept` for an option that would be
        lost with the message, and TypeError for arguments that the task does not take.
        """
        args, kwargs = args or (), kwargs or {}
        if chords.HEADER not in options:  # else some arguments are known when it starts
            args, kwargs = self._checked(args, kwargs)
        _refuse_followers_of_another(self.name, unique_key, options)
        parent, stored = self._family(options, headers)
        run = record.new_task_run(
            task=self.name,
            args=args,
            kwargs=kwargs,
            task_id=task_id,
            queue=self._queue(queue),
            priority=self._priority(priority),
            due_in=countdown,
            due_at=aware(eta) if eta else None,
            unique_key=unique_key,
            store=store,
            requested_by=requested_by or (headers or {}).get("periodic_task_name", ""),
            options=stored,
            parent=parent,
        )
        if collect(run, options) or _taken(run):
            return self._result_of(run.task_id, options)
        return self._result_of(chords.record(run, options).task_id, options)

    def AsyncResult(self, task_id: str, **options: Any) -> Any:  # noqa: N802 (Celery's name)
        """The result of a call, by which a chord knows that its task is on the ledger, and whether
        the run is recorded with the call."""
        result: Any = super().AsyncResult(task_id, **options)
        result.is_run = self.is_one_run
        return result

    def ignores_results(self, options: Mapping[str, Any]) -> bool:
        """Whether a call's options, or else the task itself, say ``ignore_result``."""
        own = takewhile(lambda each: each.__module__ != LEDGER_TASK, type(self).__mro__)
        declared = any(vars(each).get("ignore_result") for each in own)
        return bool(options.get("ignore_result", declared))

    is_one_run = True
    """Whether a call is one run, which can be recorded with others of a group."""

    def _checked(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments, with pydantic models as plain data. Raises TypeError if they do not
        fit."""
        check = getattr(self, "__header__", None) if self.typing else None
        if check is not None:
            check(*args, **kwargs)
        dump = getattr(self, "_dump_pydantic_arguments", None)
        return dump(args, kwargs) if dump else (args, kwargs)

    def _family(
        self, options: Mapping[str, Any], headers: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any]]:
        """The parent of a new run, and its options as they are kept."""
        family = asked_by(options.get("parent_id"), options.get("root_id"))
        given = {name: value for name, value in options.items() if name != "parent_id"}
        given.setdefault("expires", self.expires)
        given |= {"headers": headers, "root_id": family.root, **limits_of(self, options)}
        return family.parent or "", keep(self.name, given)

    def _result_of(self, task_id: str, options: Mapping[str, Any]) -> Any:
        result = self.AsyncResult(task_id)
        result.ignored = self.ignores_results(options)  # as in Celery: its get() does not wait
        parent = self.app.current_worker_task
        if parent and options.get("add_to_parent", True):
            parent.add_trail(result)  # a plain task's ``children``; a run's are in the ledger
        return result

    def _queue(self, chosen: Any) -> str:
        """The queue chosen by the call, else by the task, the routing table or the settings."""
        choices = chosen or self.run_queue or getattr(self, "queue", None)
        name = choices or queues.queue_of(self.name) or self._routed()
        return str(getattr(name, "name", name) or self.app.conf.task_default_queue)

    def _routed(self) -> Any:
        return self.app.amqp.router.route({}, self.name).get("queue")

    def _priority(self, chosen: int | None) -> int:
        choices = (chosen, self.run_priority, self.priority, queues.priority_of(self.name))
        return next(each for each in choices if each is not None)


_calls: ContextVar[list[NewRun] | None] = ContextVar("neural_calls", default=None)


@contextmanager
def taking_calls() -> Iterator[list[NewRun]]:
    """Within the block, runs of calls are not recorded, but put into this list."""
    taken: list[NewRun] = []
    before = _calls.set(taken)
    try:
        yield taken
    finally:
        _calls.reset(before)


def _taken(run: NewRun) -> bool:
    taken = _calls.get()
    if taken is not None:
        taken.append(run)
    return taken is not None


def _refuse_followers_of_another(task: str, unique_key: Any, options: Mapping[str, Any]) -> None:
    """Refuse followers with a ``unique_key``: if a run waits already, they would never start."""
    followers = sorted({"link", "link_error", "chain", "chord"} & options.keys())
    if unique_key and followers:
        what = " and ".join(followers)
        raise OptionNotKept(f"{task}: a run with a unique_key cannot have {what}")


class Family(NamedTuple):
    """Parent and root as task ids; None where there is none."""

    parent: str | None
    root: str | None


def asked_by(parent: str | None = None, root: str | None = None) -> Family:
    """The family of a call made in this context. A given parent or root is kept."""
    here = _here()
    return Family(parent or here.parent, root or (None if parent else here.root))


def _here() -> Family:
    run = current_run()
    if run is not None:
        return Family(run.task_id, run.root_id)
    task = current_app.current_worker_task
    if task is None:
        return Family(None, None)
    return Family(task.request.id, task.request.root_id or task.request.id)


def limits_of(task: Any, given: Mapping[str, Any]) -> dict[str, float]:
    """``time_limit`` and ``soft_time_limit`` for a call, in seconds, such that they hold.

    Empty if the usual limits hold. Celery's pool sets one timer for a task: for the soft limit if
    there is one, and for the hard limit only once that has struck. A call's hard limit below the
    usual soft one (240 s) would have no effect before it, and a soft limit beyond the usual hard
    one would delay that.

    Raises ValueError for a soft limit beyond the hard one, and for one too short to hold.
    """
    conf = task.app.conf
    usual_hard = task.time_limit or conf.task_time_limit
    usual_soft = task.soft_time_limit or conf.task_soft_time_limit
    hard, soft = given.get("time_limit"), given.get("soft_time_limit")
    for name in ("time_limit", "soft_time_limit"):
        if (limit := given.get(name)) and limit < LEAST_LIMIT_SECONDS:
            least = f"give {LEAST_LIMIT_SECONDS:g} seconds or more"
            raise ValueError(f"{task.name}: {name} {limit} strikes before the task begins: {least}")
    if hard is None and soft is None and usual_soft != conf.task_soft_time_limit:
        soft = usual_soft if (usual_soft or 0) > (usual_hard or usual_soft) else None
    if hard is None and soft is None and not _is_late(usual_soft, usual_hard):
        return {}
    longest = hard or usual_hard
    if soft is None:
        is_late = _is_late(usual_soft, longest)
        soft = max(longest * SOFT_SHARE, LEAST_LIMIT_SECONDS) if is_late else usual_soft
    if longest and soft > longest:
        must = "soft_time_limit must be less than or equal to time_limit"
        raise ValueError(f"{task.name}: {must}: {soft} is beyond {longest}")
    found = {"time_limit": hard, "soft_time_limit": soft}
    return {name: value for name, value in found.items() if value is not None}


def _is_late(soft: float | None, hard: float | None) -> bool:
    return hard is not None and (soft is None or soft >= hard)


# Options of the call


class OptionNotKept(PermanentError):
    """``apply_async`` or ``retry`` was given an option that the ledger does not keep."""


def keep(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``apply_async`` as the ledger keeps them, or :class:`OptionNotKept`."""
    options = {name: value for name, value in given.items() if value is not None}
    _refuse(task, options)
    stored = {name: options[name] for name in _STORED_AS_GIVEN & options.keys()}
    if options.get("stamped_headers"):
        stored["stamped_headers"] = names = list(maybe_list(options["stamped_headers"]))
        stored["stamps"] = {name: options[name] for name in names if name in options}
    for name in ("link", "link_error"):
        if options.get(name):
            stored[name] = [dict(signature) for signature in maybe_list(options[name])]
    stored["properties"] = {name: options[name] for name in _PROPERTIES & options.keys()}
    if "ignore_result" in options:  # False: a plain client may read it in Redis
        stored["ignore_result"] = bool(options["ignore_result"])
    if options.get("group_id") and (body := options.get("chord")) and not chords.is_counted(body):
        stored["chord"] = dict(body)
    if "expires" in options:
        stored["expires_at"] = moment_of(options["expires"])
    stored = {name: value for name, value in stored.items() if value not in ([], {}, ())}
    what = f"the options of {task}"
    return dict(plain(stored, what=what, most_bytes=CANVAS_BYTES)) if stored else {}


def _refuse(task: str, options: Mapping[str, Any]) -> None:
    if unknown := not_kept(options):
        raise OptionNotKept(f"{task}: the ledger does not keep {', '.join(unknown)}; {INSTEAD}")


INSTEAD = "leave it out (where a run goes is said by queue) or use a plain Celery task"


def not_kept(options: Mapping[str, Any]) -> list[str]:
    """The names of those options of a call that the ledger refuses."""
    stamps = set(maybe_list(options.get("stamped_headers")) or ())
    accepted = _OF_THE_MESSAGE | _PROPERTIES | _STORED_AS_GIVEN | {"chord", "stamped_headers"}
    own = inspect.signature(CalledTask.apply_async).parameters
    return sorted(options.keys() - accepted - stamps - own.keys())


def moment_of(expires: Any) -> str:
    """The time of Celery's ``expires``, given as seconds from now, a datetime, or ISO 8601."""
    if isinstance(expires, int | float):
        return (database_clock() + dt.timedelta(seconds=expires)).isoformat()
    return aware(expires).isoformat()


def aware(moment: dt.datetime | str) -> dt.datetime:
    """A time as Celery reads it: ISO 8601 is allowed, and UTC holds if it names no zone."""
    read: dt.datetime = maybe_iso8601(moment)  # type: ignore[assignment]  # it is not None
    return timezone.make_aware(read, dt.UTC) if timezone.is_naive(read) else read


def signatures(run: TaskRun, name: str) -> Sequence[dict[str, Any]]:
    """The callbacks of a run: ``link``, ``link_error`` or the rest of its ``chain``."""
    stored = run.options.get(name)
    return list(from_json(json.dumps(stored))) if stored else []
