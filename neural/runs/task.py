"""The base class that puts a Celery task on the ledger."""

import asyncio
import datetime as dt
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from neural.conf import conf
from neural.models import RunState, TaskRun
from neural.runs import enqueue, event_stream, execution, lifecycle, routing, sql
from neural.runs.claiming import claim
from neural.runs.coroutines import run_to_its_end
from neural.runs.family import asked_by
from neural.runs.limits import limits_of
from neural.runs.options import OptionNotKept, aware, keep
from neural.runs.policies import is_said, policy_of
from neural.runs.publishing import RUN_HEADER, publish_quietly
from neural.runs.requests import request_of
from neural.runs.results import from_json, to_json
from neural.runs.retry import RetryPolicy
from neural.runs.settling import Outcome
from neural.runs.work import RetryRequested, Work, current_run

FOREIGN_PAUSE_SECONDS = 1
"""Before a message that could not be recorded goes back to its queue."""


class LedgerTask(Task):
    """A task whose every run is a row of the ledger: ``@shared_task(base=LedgerTask)``.

    ``apply_async`` writes the row in the caller's transaction and publishes on commit; the
    worker's claim, retries and outcome are rows too, so that nothing depends on the broker.
    """

    abstract = True
    Request = "neural.runs.event_stream:LedgerRequest"
    acks_late = True
    # The relay finds a lost process, counts and in the end stops what kills it: a message
    # that comes again before that finds its run taken. For a plain client's message that was
    # lost before it was recorded, coming again is all there is.
    reject_on_worker_lost = True
    ignore_result = True

    atomic = False
    """Whether the body's database writes and the run's outcome are one transaction.
    Otherwise the body must be idempotent: it runs again when its worker is lost."""
    retry_policy: RetryPolicy | None = None
    """Replaces the policy of the settings."""
    run_priority: int | None = None
    """From 1 to 10; 10 is most urgent. By default what Celery's ``priority`` of the task says,
    the routing table, or 5."""
    run_queue: str | None = None
    """Where its runs go unless the call says otherwise; by default what Celery's ``queue`` of
    the task says, the routing table (``neural.runs.routing``), or ``task_routes``."""

    # Submitting

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

        Celery's options are kept in the run, so that a message sent again is the same
        message: ``expires``, ``time_limit``, ``soft_time_limit``, ``headers``, ``link``,
        ``link_error``, chains and groups. ``unique_key``: while a run with this key waits, no
        second one is recorded and the result is that of the first. ``store``: code of the
        store whose users see the run. Raises :class:`~neural.runs.options.OptionNotKept` for
        an option that would be lost with the message, and TypeError for arguments that the
        task does not take.
        """
        args, kwargs = self._checked(args or (), kwargs or {})
        _refuse_followers_of_another(self.name, unique_key, options)
        parent, kept = self._family(options, headers)
        run = enqueue.enqueue(
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
            options=kept,
            parent=parent,
        )
        return self._result_of(run.task_id, options)

    def _checked(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments, if the task takes them, with pydantic's models as plain data."""
        check = getattr(self, "__header__", None) if self.typing else None
        if check is not None:
            check(*args, **kwargs)
        dump = getattr(self, "_dump_pydantic_arguments", None)
        return dump(args, kwargs) if dump else (args, kwargs)

    def _family(
        self, options: Mapping[str, Any], headers: Mapping[str, Any] | None
    ) -> tuple[str, dict[str, Any]]:
        """Whose child a new run is, and its options as they are kept."""
        family = asked_by(options.get("parent_id"), options.get("root_id"))
        given = {name: value for name, value in options.items() if name != "parent_id"}
        given.setdefault("expires", self.expires)
        given |= {"headers": headers, "root_id": family.root, **limits_of(self, options)}
        return family.parent or "", keep(self.name, given)

    def _result_of(self, task_id: str, options: Mapping[str, Any]) -> AsyncResult:
        result = self.AsyncResult(task_id)
        parent = self.app.current_worker_task
        if parent and options.get("add_to_parent", True):
            parent.add_trail(result)  # a plain task's ``children``; of a run they are in the ledger
        return result

    def _queue(self, chosen: Any) -> str:
        """The call's, the task's, the routing table's, the settings'."""
        said = chosen or self.run_queue or getattr(self, "queue", None)
        name = said or routing.queue_of(self.name) or self._routed()
        return str(getattr(name, "name", name) or self.app.conf.task_default_queue)

    def _routed(self) -> Any:
        return self.app.amqp.router.route({}, self.name).get("queue")

    def _priority(self, chosen: int | None) -> int:
        said = (chosen, self.run_priority, self.priority, routing.priority_of(self.name))
        return next(each for each in said if each is not None)

    def retry(  # type: ignore[override]
        self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any
    ) -> Any:
        """Try this run again later, by the ledger. As in Celery, ``countdown`` or ``eta``
        replace the backoff and ``max_retries`` the limit; the arguments stay what they are."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, **options)
        self._refuse_changes(args, kwargs, options)
        raise RetryRequested(
            exc,
            countdown=self._countdown(options.get("countdown"), options.get("eta")),
            max_retries=options.get("max_retries"),
        )

    def _refuse_changes(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> None:
        if (args is not None and list(args) != list(self.request.args or ())) or (
            kwargs is not None and dict(kwargs) != dict(self.request.kwargs or {})
        ):
            raise OptionNotKept(f"{self.name}: a retry cannot change a run's arguments")
        asked = {name for name, value in options.items() if value is not None}
        others = sorted(asked - {"countdown", "eta", "max_retries", "throw"})
        if others or options.get("throw", True) is not True:
            what = ", ".join(others) or "throw=False"
            raise OptionNotKept(f"{self.name}: self.retry() does not know {what} in the ledger")

    def _countdown(self, countdown: float | None, eta: dt.datetime | None) -> float | None:
        if eta is not None:
            return max(0, (aware(eta) - timezone.now()).total_seconds())
        if countdown is None and is_said(self, "default_retry_delay"):
            return self.default_retry_delay
        return countdown

    def replace(self, sig: Any) -> Any:
        """Refused: a run is one piece of work. Submit the other task, or use a chain."""
        raise OptionNotKept(f"{self.name}: self.replace() is not kept by the ledger; use a chain")

    # Running

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a worker: what the message asks for. Called directly: the body."""
        if self.request.is_eager:
            return self.body()(*args, **kwargs)
        if self.request.called_directly or current_run() is not None:
            return self._call_body({"args": args, "kwargs": kwargs})
        if not self.request.get(RUN_HEADER):
            self.accept_foreign(args, kwargs)
        return self._perform()

    def body(self) -> Callable[..., Any]:
        """The function behind the task; ``async def`` runs to its end."""
        # Not Celery's wrapper for autoretry_for: the policy does what that does.
        run = getattr(self, "_orig_run", self.run)
        if not self._is_async():
            return run
        return lambda *args, **kwargs: run_to_its_end(run(*args, **kwargs))

    def _is_async(self) -> bool:
        run = getattr(self, "_orig_run", self.run)
        return asyncio.iscoroutinefunction(inspect.unwrap(run))

    def _call_body(self, request: Mapping[str, Any]) -> Any:
        """The body, which finds this request as ``self.request``."""
        self.push_request(**request)
        try:
            return self.body()(*request["args"], **request["kwargs"])
        finally:
            self.pop_request()

    def accept_foreign(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Record the run of a message that a plain Celery client sent.

        Until it is recorded nothing but the message knows of it: while the database is away
        it goes back to its queue.
        """
        try:
            enqueue.record_foreign(
                task=self.name,
                task_id=str(self.request.id),
                args=list(args),
                kwargs=dict(kwargs),
                queue=self._delivered_on(),
                priority=self._priority(self._message_priority()),
                options=self._options_of_the_message(),
                parent=self.request.parent_id or "",
            )
        except (OperationalError, InterfaceError) as error:
            sql.ledger_connection().close()
            time.sleep(FOREIGN_PAUSE_SECONDS)
            raise Reject(str(error), requeue=True) from error
        # It is the run's now; Celery must not do it a second time.
        self.request.update(callbacks=None, errbacks=None, chain=None)

    def _message_priority(self) -> int | None:
        """A plain client's own; without one the message says 0."""
        priority = (self.request.delivery_info or {}).get("priority")
        return priority if priority in routing.PRIORITIES else None

    def _options_of_the_message(self) -> dict[str, Any]:
        request = self.request
        hard, soft = request.timelimit or (None, None)
        given = {
            "link": request.callbacks,
            "link_error": request.errbacks,
            "chain": request.chain,
            "chord": request.chord,
            "expires": request.expires,
            "time_limit": hard,
            "soft_time_limit": soft,
            "root_id": request.root_id,
            "group_id": request.group,
            "group_index": request.group_index,
            "shadow": request.shadow,
            "headers": _own_headers(request.headers),
            "stamped_headers": request.stamped_headers,
            **(request.stamps or {}),
        }
        kept = keep(self.name, given)
        # It may read its result in Redis; so whatever comes of later tries is stored there.
        wants_result = vars(request).get("ignore_result") is False
        return {**kept, "ignore_result": False} if wants_result else kept

    def companions(self) -> Sequence[str]:
        """Handlers whose due runs a message of this task takes along."""
        return ()

    def work_for(self, run: TaskRun) -> Work:
        """What a run of this task stands for."""
        args, kwargs = from_json(to_json([run.args, run.kwargs], what="the arguments"))
        request = {**vars(self.request), **request_of(run), "args": args, "kwargs": kwargs}
        return Work(
            function=partial(self._call_body, request),
            atomic=self.atomic and not self._is_async(),
            retry=policy_of(self),
        )

    def _perform(self) -> Any:
        companions = self.companions()
        limit = conf().take_along_runs if companions else 1
        queue = self._delivered_on()
        runs = claim(
            task_id=str(self.request.id),
            claimant=lifecycle.claimant(),
            queue=queue,
            companions=companions,
            limit=limit,
        )
        if not runs:
            raise _late_message()
        outcomes = execution.run_claimed(self, runs)
        if companions and (len(runs) == limit or any(each.not_started for each in outcomes)):
            publish_quietly(enqueue.next_ring(queue, companions))
        own = next((each for each in outcomes if each.run.task_id == self.request.id), None)
        if self.request.get(event_stream.LISTENED):  # Celery itself tells of its own message
            outcomes = [each for each in outcomes if each is not own]
            event_stream.tell(outcomes, hostname=self.request.hostname)
        return _as_celery_sees_it(own)

    def _delivered_on(self) -> str:
        info = self.request.delivery_info or {}
        return str(info.get("routing_key") or self._queue(None))


def _own_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plain client's, without what the worker itself has added (``event_stream``)."""
    given = headers or {}
    return {name: given[name] for name in given if not name.startswith("neural_")}


def _refuse_followers_of_another(task: str, unique_key: Any, options: Mapping[str, Any]) -> None:
    """Where a run waits already the call's own followers would wait for ever."""
    followers = sorted({"link", "link_error", "chain"} & options.keys())
    if unique_key and followers:
        what = " and ".join(followers)
        raise OptionNotKept(f"{task}: a run with a unique_key cannot have {what}")


def _late_message() -> Ignore:
    """Its run is done, under way or not due, whatever others it may have brought.

    Not a success to Celery: it would not cancel a later try of this id when it stops, and
    Flower would show a run as succeeded that is dead.
    """
    return Ignore("a late message: its run is done, under way or not due")


def _as_celery_sees_it(outcome: Outcome | None) -> Any:
    """Return or raise what makes Celery log, count and trace the try for what it was."""
    if outcome is None:
        raise _late_message()
    if outcome.state == RunState.SUCCEEDED:
        return outcome.value
    if outcome.state == RunState.DEAD and outcome.exception:
        raise outcome.exception
    if outcome.due_at and isinstance(outcome.exception, Exception):
        raise Retry(outcome.error, outcome.exception, outcome.due_at)
    raise Ignore(outcome.error or "handed back")
