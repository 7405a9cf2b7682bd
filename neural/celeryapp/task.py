"""The base class that puts a Celery task on the ledger."""

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from celery.exceptions import Ignore, Retry
from django.db import close_old_connections

from neural.broker.message import RUN_HEADER, next_message
from neural.broker.publisher import publish_quietly
from neural.celeryapp.celery_view import request_of
from neural.celeryapp.foreign import ForeignlyCalledTask
from neural.celeryapp.retry import RetriedTask, policy_of
from neural.conf import conf
from neural.errors import PermanentError
from neural.ledger.outcome import Outcome
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Work, WorkSource, current_run
from neural.ledger.work_errors import presentable
from neural.models import RunState, TaskRun
from neural.models.run_log import logger, pairs
from neural.stored_json import from_json
from neural.worker import event_stream, forwarding, late_messages
from neural.worker.delivery import Delivery
from neural.worker.refusing import refuse_to_run

Value = TypeVar("Value")


class ArgumentsUnfit(PermanentError):
    """A run's arguments are not those that its task takes."""


class LedgerTask(RetriedTask, ForeignlyCalledTask, WorkSource):
    """A task whose every run is a row of the ledger: ``@shared_task(base=LedgerTask)``.

    ``apply_async`` writes the row in the caller's transaction and publishes on commit. The worker's
    claim, retries and outcome are rows too, so nothing depends on the broker.
    """

    abstract = True
    Request = "neural.worker.request:LedgerRequest"
    Strategy = "neural.worker.request:acknowledging"
    acks_late = True
    # The relay finds a lost process, counts the loss, and in the end stops work that kills its
    # process. A message that comes again before that finds its run taken. A plain client's message
    # may be lost before its run is recorded, and can then only come again.
    reject_on_worker_lost = True
    ignore_result = True

    atomic = False
    """Whether the body's database writes and the run's outcome are one transaction. If not, the
    body must be idempotent: it runs again when its worker is lost."""
    retry_policy: RetryPolicy | None = None
    """Replaces the policy of the settings."""
    title: Any = ""
    """What it does, in a few words that may be translated, for pages that people read."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """In a worker, do what the message asks for. Called directly, run the body."""
        if self.request.is_eager:
            return self.body()(*args, **kwargs)
        if self.request.called_directly or current_run() is not None:
            return self._call_body({"args": args, "kwargs": kwargs})
        if not self.request.get(RUN_HEADER):
            self.accept_foreign(args, kwargs)
        return self._perform()

    def body(self) -> Callable[..., Any]:
        """The function behind the task. An ``async def`` is run to its end."""
        # Not Celery's wrapper for autoretry_for: the retry policy does the same.
        run = getattr(self, "_orig_run", self.run)
        if not is_async(self):
            return run
        return lambda *args, **kwargs: run_to_its_end(run(*args, **kwargs))

    def _call_body(self, request: Mapping[str, Any]) -> Any:
        """Run the body, which finds this request as ``self.request``."""
        self.push_request(**request)
        try:
            return self.body()(*request["args"], **request["kwargs"])
        finally:
            self.pop_request()

    def work_for(self, run: TaskRun) -> Work:
        """The work of a run of this task: its function, atomicity and retry policy."""
        refuse_to_run(run)
        args, kwargs = from_json(json.dumps([run.args, run.kwargs]))  # bounded when recorded
        self._check_fit(run, args, kwargs)
        request = {**vars(self.request), **request_of(run), "args": args, "kwargs": kwargs}
        return Work(
            function=partial(self._call_body, request),
            atomic=self.atomic and not is_async(self),
            retry=policy_of(self),
        )

    def _check_fit(self, run: TaskRun, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise for arguments that the function does not take: such a call fails each time.

        A TypeError from inside the function may not.
        """
        signature = forwarding.signature_of(self)
        if signature is None:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            unfit = ArgumentsUnfit(f"{self.name}{signature} cannot be called: {error}")
            mine = forwarding.parameters(self)
            raise forwarding.unfit_here(
                run, unfit, differs=lambda known: _tasks(known).get(self.name, mine) != mine
            ) from error

    def _perform(self) -> Any:
        queue, batchable = self._delivered_on(), self.batchable()
        delivery = Delivery(
            self, str(self.request.id), task=self.name, queue=queue, batchable=batchable
        )
        delivery.work()
        if not delivery.outcomes:
            self._log_another_tasks_run()
        self._report_batched(delivery.batched)
        if batchable and conf().batch_claim_runs > 1:  # otherwise each run has its own message
            self._see_to_the_rest(queue, delivery.is_more)
        return _as_celery_sees_it(delivery.own)

    def _log_another_tasks_run(self) -> None:
        """Log a message that names the run of another task.

        This is checked only if the message led to no run: the claim skips a run of another task.
        """
        task_id = str(self.request.id)
        found = TaskRun.objects.filter(task_id=task_id).exclude(task=self.name)
        other = found.values_list("task", flat=True).first()
        if other is not None:
            facts = {"task": self.name, "id": task_id, "reason": f"that is a run of {other}"}
            logger.error("event=message_refused %s", pairs(facts))

    def _report_batched(self, batched: Sequence[Outcome]) -> None:
        """Send the outcomes of runs that were batched with another run's message.

        Celery itself sends the events of that run.
        """
        listened = bool(self.request.get(event_stream.LISTENED))
        late_messages.note(batched, streamed=listened)
        if listened:
            event_stream.send_events(batched, hostname=self.request.hostname)

    def _see_to_the_rest(self, queue: str, is_more: bool | None) -> None:
        """Publish a message for the runs that had no slot or no time, if there may be any."""
        if is_more is not None:
            late_messages.note_more(queue, is_more)
        if is_more:
            publish_quietly(next_message(queue, self.batchable()))


def _tasks(known: forwarding.Registered) -> Mapping[str, str]:
    found: Mapping[str, str] = known.get("tasks", {})
    return found


def _late_message() -> Ignore:
    """The exception for a message whose run is done, under way or not due.

    This holds whatever other runs the message led to. It is not a success to Celery: Celery would
    not cancel a later attempt of this id when it stops, and Flower would show a dead run as
    succeeded.
    """
    return Ignore("a late message: its run is done, under way or not due")


def _as_celery_sees_it(outcome: Outcome | None) -> Any:
    """Return or raise what makes Celery log, count and trace the attempt for what it was."""
    if outcome is None:
        raise _late_message()
    if outcome.state == RunState.SUCCEEDED:
        return outcome.value
    if outcome.state == RunState.DEAD and outcome.exception:
        raise presentable(outcome.exception)
    if outcome.due_at and isinstance(outcome.exception, Exception):
        raise Retry(outcome.error or None, presentable(outcome.exception), outcome.due_at)
    raise Ignore(outcome.error or "released")


def is_async(task: Any) -> bool:
    """Whether the function behind a task is an ``async def``."""
    return asyncio.iscoroutinefunction(inspect.unwrap(getattr(task, "_orig_run", task.run)))


def run_to_its_end(body: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine and return its value.

    ``async_to_sync`` would run it in another thread, where Celery's ``self.request`` is not the
    task's.
    """
    return asyncio.run(_with_sound_connections(body))


async def _with_sound_connections(body: Coroutine[Any, Any, Value]) -> Value:
    """Close connections that the database has cut, then run the coroutine.

    Django's ORM works here in its own thread, whose connections nobody else checks. A broken one
    would fail every later coroutine of this process.
    """
    await sync_to_async(close_old_connections)()
    return await body
