"""The base class that puts a Celery task on the ledger."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from neural.conf import conf
from neural.models import RunState, TaskRun
from neural.runs import enqueue, event_stream, execution, lifecycle, sql
from neural.runs.claiming import claim
from neural.runs.coroutines import run_to_its_end
from neural.runs.options import OptionNotKept, keep
from neural.runs.publishing import RUN_HEADER, publish_quietly
from neural.runs.results import from_json, to_json
from neural.runs.retry import RetryPolicy
from neural.runs.settling import Outcome

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
    run_priority = 5
    """From 1 to 10; 10 is most urgent."""
    run_queue: str | None = None
    """Where its runs go unless the call says otherwise; by default as ``task_routes`` says."""

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
        parent_id: str | None = None,
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
        self._check_arguments(args, kwargs)
        run = enqueue.enqueue(
            task=self.name,
            args=list(args or ()),
            kwargs=dict(kwargs or {}),
            task_id=task_id,
            queue=self._queue(queue),
            priority=self.run_priority if priority is None else priority,
            due_in=countdown,
            due_at=eta,
            unique_key=unique_key,
            store=store,
            requested_by=requested_by or (headers or {}).get("periodic_task_name", ""),
            options=keep(self.name, {**options, "headers": headers}),
            parent=parent_id or _current_task_id(),
        )
        return self.AsyncResult(run.task_id)

    def _check_arguments(
        self, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
    ) -> None:
        check = getattr(self, "__header__", None) if self.typing else None
        if check is not None:
            check(*(args or ()), **(kwargs or {}))

    def _queue(self, chosen: Any) -> str:
        name = chosen or self.run_queue or self._routed() or self.app.conf.task_default_queue
        return str(getattr(name, "name", name))

    def _routed(self) -> Any:
        return self.app.amqp.router.route({}, self.name).get("queue")

    def retry(  # type: ignore[override]
        self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any
    ) -> Any:
        """Try this run again later, by the ledger. As in Celery, ``countdown`` or ``eta``
        replace the backoff and ``max_retries`` the limit; the arguments stay what they are."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, **options)
        if (args is not None and list(args) != list(self.request.args or ())) or (
            kwargs is not None and dict(kwargs) != dict(self.request.kwargs or {})
        ):
            raise OptionNotKept(f"{self.name}: a retry cannot change a run's arguments")
        raise execution.RetryRequested(
            exc,
            countdown=self._countdown(options.get("countdown"), options.get("eta")),
            max_retries=options.get("max_retries", execution.AS_THE_POLICY_SAYS),
        )

    def _countdown(self, countdown: float | None, eta: dt.datetime | None) -> float | None:
        if eta is not None:
            return max(0, (eta - timezone.now()).total_seconds())
        if countdown is None and self.default_retry_delay != Task.default_retry_delay:
            return self.default_retry_delay
        return countdown

    def replace(self, sig: Any) -> Any:
        """Refused: a run is one piece of work. Submit the other task, or use a chain."""
        raise OptionNotKept(f"{self.name}: self.replace() is not kept by the ledger; use a chain")

    # Running

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a worker: what the message asks for. Called directly: the body."""
        if self.request.called_directly or self.request.is_eager:
            return self.body()(*args, **kwargs)
        if not self.request.get(RUN_HEADER):
            self.accept_foreign(args, kwargs)
        return self._perform()

    def body(self) -> Callable[..., Any]:
        """The function behind the task; ``async def`` runs to its end."""
        # Not Celery's wrapper for autoretry_for: the policy does what that does.
        run = getattr(self, "_orig_run", self.run)
        if not asyncio.iscoroutinefunction(run):
            return run
        return lambda *args, **kwargs: run_to_its_end(run(*args, **kwargs))

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
                priority=self.run_priority,
                options=self._take_over_options(),
                parent=self.request.parent_id or "",
            )
        except (OperationalError, InterfaceError) as error:
            sql.ledger_connection().close()
            time.sleep(FOREIGN_PAUSE_SECONDS)
            raise Reject(str(error), requeue=True) from error

    def _take_over_options(self) -> dict[str, Any]:
        """What the message asks for becomes the run's; Celery must not do it a second time."""
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
        }
        request.update(callbacks=None, errbacks=None, chain=None)
        return keep(self.name, given)

    def companions(self) -> Sequence[str]:
        """Handlers whose due runs a message of this task takes along."""
        return ()

    def work_for(self, run: TaskRun) -> execution.Work:
        """What a run of this task stands for."""
        self.request.update(args=run.args, kwargs=run.kwargs, retries=run.failures)
        args, kwargs = from_json(to_json([run.args, run.kwargs], what="the arguments"))
        body = self.body()
        return execution.Work(
            function=lambda: body(*args, **kwargs),
            atomic=self.atomic
            and not asyncio.iscoroutinefunction(getattr(self, "_orig_run", self.run)),
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


def _current_task_id() -> str:
    run = execution.current_run()
    return run.task_id if run else ""


def policy_of(task: LedgerTask) -> RetryPolicy:
    """A task's own retry policy: ``retry_policy``, or what its Celery options ask for."""
    if task.retry_policy is not None:
        return task.retry_policy
    policy = execution.default_retry()
    if task.max_retries != Task.max_retries:
        policy = replace(policy, max_retries=task.max_retries)
    if not getattr(task, "autoretry_for", ()):
        return policy
    return _autoretry(task, policy)


def _autoretry(task: Any, policy: RetryPolicy) -> RetryPolicy:
    """Celery's ``autoretry_for``: only these exceptions are tried again."""
    backoff = float(getattr(task, "retry_backoff", False))
    limit = getattr(task, "retry_kwargs", {}).get("max_retries", policy.max_retries)
    policy = replace(
        policy,
        max_retries=limit,
        only=tuple(task.autoretry_for),
        permanent=tuple(getattr(task, "dont_autoretry_for", ())),
    )
    if not backoff:
        return policy
    jitter = 1.0 if getattr(task, "retry_jitter", True) else 0.0
    cap = float(getattr(task, "retry_backoff_max", 600))
    return replace(policy, base_seconds=max(1.0, backoff), cap_seconds=cap, jitter=jitter)


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
