"""The base class that puts a Celery task on the ledger."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult
from django.db import InterfaceError, OperationalError

from neural.conf import conf
from neural.errors import NeuralError
from neural.models import RunState, TaskRun
from neural.runs import enqueue, execution, lifecycle, sql
from neural.runs.claiming import claim
from neural.runs.coroutines import run_to_its_end
from neural.runs.publishing import RUN_HEADER, publish_quietly
from neural.runs.results import from_json, to_json
from neural.runs.retry import RetryPolicy
from neural.runs.settling import Outcome

# What concerns one message on its way and not the work: a message sent again has its own.
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
    "exchange",
    "routing_key",
    "periodic_task_name",
}


FOREIGN_PAUSE_SECONDS = 1
"""Before a message that could not be recorded goes back to its queue."""


class OptionNotKept(NeuralError):
    """``apply_async`` was given an option that the ledger does not keep."""


class LedgerTask(Task):
    """A task whose every run is a row of the ledger: ``@shared_task(base=LedgerTask)``.

    ``apply_async`` writes the row in the caller's transaction and publishes on commit; the
    worker's claim, retries and outcome are rows too, so that nothing depends on the broker.
    """

    abstract = True
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

        ``unique_key``: while a run with this key waits, no second one is recorded and the
        result is that of the first. ``store``: code of the store whose users see the run.
        Raises :class:`OptionNotKept` for an option that would be lost with the message.
        """
        unknown = {name for name, value in options.items() if value is not None} - _OF_THE_MESSAGE
        if unknown:
            raise OptionNotKept(
                f"{self.name}: the ledger does not keep {', '.join(sorted(unknown))}; "
                "leave it out or use a plain Celery task"
            )
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
        )
        return self.AsyncResult(run.task_id)

    def _queue(self, chosen: Any) -> str:
        name = chosen or getattr(self, "queue", None) or self.app.conf.task_default_queue
        return str(getattr(name, "name", name))

    def retry(self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Try this run again later, by the ledger; ``countdown`` replaces the backoff."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, **options)
        raise execution.RetryRequested(exc, options.get("countdown"))

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
        if not asyncio.iscoroutinefunction(self.run):
            return self.run
        return lambda *args, **kwargs: run_to_its_end(self.run(*args, **kwargs))

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
            )
        except (OperationalError, InterfaceError) as error:
            sql.ledger_connection().close()
            time.sleep(FOREIGN_PAUSE_SECONDS)
            raise Reject(str(error), requeue=True) from error

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
            atomic=self.atomic and not asyncio.iscoroutinefunction(self.run),
            retry=self.retry_policy or execution.default_retry(),
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
            # Not a success to Celery: it would not cancel a later try of this id when it stops.
            raise Ignore("a late message: its run is done, under way or not due")
        outcomes = execution.run_claimed(self, runs)
        if companions and (len(runs) == limit or any(each.not_started for each in outcomes)):
            publish_quietly(enqueue.next_ring(queue, companions))
        own = next((each for each in outcomes if each.run.task_id == self.request.id), None)
        return _as_celery_sees_it(own) if own else None

    def _delivered_on(self) -> str:
        info = self.request.delivery_info or {}
        return str(info.get("routing_key") or self._queue(None))


def _as_celery_sees_it(outcome: Outcome) -> Any:
    """Return or raise what makes Celery log, count and trace the try for what it was."""
    if outcome.state == RunState.SUCCEEDED:
        return outcome.value
    if outcome.state == RunState.DEAD and outcome.exception:
        raise outcome.exception
    if outcome.due_at and isinstance(outcome.exception, Exception):
        raise Retry(outcome.error, outcome.exception, outcome.due_at)
    raise Ignore(outcome.error or "handed back")
