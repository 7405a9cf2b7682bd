"""The base class that puts a Celery task on the ledger.

What tasks say of themselves is read here, too: their retry policies, titles and names.
"""

import asyncio
import datetime as dt
import inspect
import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from celery import Task, chain, chunks, current_app, group, states
from celery.app.task import Context
from celery.app.trace import task_has_custom
from django.db import close_old_connections
from django.utils import timezone

from neural.batches import ports, recording
from neural.broker.message import RUN_HEADER, messages_for, next_message
from neural.broker.publisher import publish_quietly
from neural.celeryapp import chords, signalling
from neural.celeryapp.call import WITHOUT_EFFECT, OptionNotKept, aware, moment_of, signatures
from neural.celeryapp.plain_clients import ForeignlyCalledTask
from neural.events.recording import EVENT_TASK
from neural.events.registry import handler_names
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.kit.stored_json import from_json, plain
from neural.kit.tasks import load_tasks
from neural.ledger.outcome import Outcome
from neural.ledger.ports import died
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import (
    REPLACED_BY,
    Replaced,
    RetryRequested,
    Work,
    WorkSource,
    current_run,
    default_retry,
)
from neural.models import Batch, TaskRun
from neural.runs.models.run_log import logger, pairs
from neural.worker import delivery, refusing
from neural.worker.delivery import Delivery, InTurn
from neural.worker.refusing import refuse_to_run

Value = TypeVar("Value")
ACCUMULATE_TASK = "neural.tasks.accumulate"
"""The task that ends a group by which a task was replaced."""
_FOLLOWERS = {"callbacks": "link", "errbacks": "link_error", "chain": "chain"}
EACH_TASK = "neural.tasks.call_each"
"""The task of what ``map``, ``starmap`` and ``chunks`` of a ledger task call."""


class ArgumentsUnfit(PermanentError):
    """A run's arguments are not those that its task takes."""


class LedgerTask(ForeignlyCalledTask, WorkSource):
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
            return self._call_body({**vars(self.request), "args": args, "kwargs": kwargs})
        if not self.request.get(RUN_HEADER):
            self.accept_foreign(args, kwargs)
            if delivery.has_loop and self.waits():
                publish_quietly(messages_for([TaskRun.objects.get(task_id=self.request.id)]))
                raise signalling.late_message()
        return self._perform()

    def body(self) -> Callable[..., Any]:
        """The function behind the task. An ``async def`` is run to its end."""
        # Not Celery's wrapper for autoretry_for: the retry policy does the same.
        run = getattr(self, "_orig_run", self.run)
        if not is_async(self):
            return run
        return lambda *args, **kwargs: run_to_its_end(run(*args, **kwargs))

    def coroutine(self, request: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        """The coroutine of an ``async def`` body, which finds this request as ``self.request``."""
        run = getattr(self, "_orig_run", self.run)
        return with_request(self, request, run(*request["args"], **request["kwargs"]))

    def waits(self) -> bool:
        return is_async(self)

    def _get_request(self) -> Context:
        """Celery's ``self.request``. Coroutines take turns in one thread, so each has its own."""
        task, request = _request.get()
        return request if task == self.name else super()._get_request()  # type: ignore[misc]  # Celery's

    request = property(_get_request)

    def _call_body(self, request: Mapping[str, Any]) -> Any:
        """Run the body, which finds this request as ``self.request``."""
        # Not push_request, which adds the values of the request before: another run's.
        self.request_stack.push(Context(dict(request)))
        try:
            return self.body()(*request["args"], **request["kwargs"])
        finally:
            self.request_stack.pop()

    def work_for(self, run: TaskRun) -> Work:
        """The work of a run of this task: its function, atomicity and retry policy."""
        refuse_to_run(run)
        args, kwargs = from_json(json.dumps([run.args, run.kwargs]))  # bounded when recorded
        if header := run.options.get(chords.HEADER):
            args = [*chords.values(header), *args]
        self._check_fit(run, args, kwargs)
        request = {**signalling.request_for(self, run), "args": args, "kwargs": kwargs}
        return Work(
            function=partial(self._call_body, request),
            atomic=self.atomic and not is_async(self),
            retry=policy_of(self),
            coroutine=partial(self.coroutine, request) if is_async(self) else None,
        )

    @property
    def worker_checks_arguments(self) -> bool:
        """With ``typing=False`` the function itself refuses arguments, as in Celery."""
        return bool(self.typing)

    def _check_fit(self, run: TaskRun, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise for arguments that the function does not take: such a call fails each time.

        A TypeError from inside the function may not.
        """
        signature = refusing.signature_of(self)
        if signature is None or not self.worker_checks_arguments:
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            unfit = ArgumentsUnfit(f"{self.name}{signature} cannot be called: {error}")
            mine = refusing.parameters(self)
            raise refusing.unfit_here(
                run,
                unfit,
                differs=lambda registered: _tasks(registered).get(self.name, mine) != mine,
            ) from error

    def _perform(self) -> Any:
        queue, batchable = self._delivered_on(), self.batchable()
        delivery = Delivery(
            self,
            str(self.request.id),
            task=self.name,
            queue=queue,
            batchable=batchable,
            in_turn=self._in_turn(),
        )
        delivery.work()
        if not delivery.outcomes:
            self._log_another_tasks_run()
        self._report_batched(delivery.batched)
        if delivery.in_turn:  # each run has its own message
            signalling.announce(self, delivery.batched)
            self._see_to_late_messages(queue, delivery.is_more)
        elif batchable and conf().batch_claim_runs > 1:
            self._see_to_the_rest(queue, delivery.is_more)
        return signalling.as_celery_sees_it(delivery.own)

    def _in_turn(self) -> InTurn | None:
        """The runs that this message may lead to beside its own, or None."""
        custom = task_has_custom(self, "before_start")  # what it raises, only Celery knows to judge
        if conf().in_turn_claim_runs == 1 or self.request.get(delivery.RATE_LIMITED) or custom:
            return None
        return self.in_turn()

    def in_turn(self) -> InTurn | None:
        """The runs of this task that may be executed in turn, or None."""
        return InTurn(handler="", atomic=self.atomic and not is_async(self))

    def begins(self, run: TaskRun) -> None:
        signalling.begins(self, run)

    def ends(self, outcome: Outcome) -> None:
        signalling.ends(self, outcome)

    def _log_another_tasks_run(self) -> None:
        """Log a message that names the run of another task.

        This is checked only if the message led to no run: the claim skips a run of another task.
        """
        task_id = str(self.request.id)
        found = TaskRun.objects.filter(task_id=task_id).exclude(task=self.name)
        other = found.values_list("task", flat=True).first()
        mine = TaskRun.objects.filter(task=self.name, **{f"options__{REPLACED_BY}": task_id})
        if other is not None and not mine.exists():
            facts = {"task": self.name, "id": task_id, "reason": f"that is a run of {other}"}
            logger.error("event=message_refused %s", pairs(facts))

    def _report_batched(self, batched: Sequence[Outcome]) -> None:
        """Send the outcomes of runs that were batched with another run's message.

        Celery itself sends the events of that run.
        """
        died(batched)
        listened = bool(self.request.get(delivery.LISTENED))
        delivery.note(batched, streamed=listened)
        if listened:
            delivery.send_events(batched, hostname=self.request.hostname)

    def _see_to_the_rest(self, queue: str, is_more: bool | None) -> None:
        """Publish a message for the runs that had no slot or no time, if there may be any."""
        if is_more is not None:
            delivery.note_more(queue, is_more)
        if is_more:
            publish_quietly(next_message(queue, self.batchable()))

    def _see_to_late_messages(self, queue: str, is_more: bool | None) -> None:
        """Let late messages of the task come to the pool while they lead to further runs of it."""
        if is_more is not None:
            delivery.note_more(queue, is_more, task=self.name)

    def retry(  # type: ignore[override]
        self, args: Any = None, kwargs: Any = None, exc: Any = None, **options: Any
    ) -> Any:
        """Retry this run later, by the ledger.

        As in Celery, ``countdown`` or ``eta`` replace the backoff and ``max_retries`` the limit.
        The arguments stay the same; other ones raise OptionNotKept.
        """
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, **options)
        self._refuse_changes(args, kwargs, options)
        raise RetryRequested(
            exc,
            countdown=self._countdown(options.get("countdown"), options.get("eta")),
            max_retries=options.get("max_retries"),
            expires=options.get("expires") and moment_of(options["expires"]),
        )

    def _refuse_changes(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> None:
        if (args is not None and list(args) != list(self.request.args or ())) or (
            kwargs is not None and dict(kwargs) != dict(self.request.kwargs or {})
        ):
            raise OptionNotKept(f"{self.name}: a retry cannot change a run's arguments")
        asked = {name for name, value in options.items() if value is not None}
        others = sorted(asked - {"countdown", "eta", "max_retries"} - WITHOUT_EFFECT)
        if others:
            what = ", ".join(others)
            raise OptionNotKept(f"{self.name}: self.retry() does not know {what} in the ledger")

    def _countdown(self, countdown: float | None, eta: dt.datetime | None) -> float | None:
        if eta is not None:
            return max(0, (aware(eta) - timezone.now()).total_seconds())
        if countdown is None and is_set(self, "default_retry_delay"):
            return self.default_retry_delay
        return countdown

    def update_state(
        self, task_id: Any = None, state: str | None = None, meta: Any = None, **options: Any
    ) -> None:
        """Celery's: show how far a run is, until its attempt ends: ``AsyncResult`` and the run's
        page have it at once. Raises :class:`~neural.NotStorable` for a ``meta`` that is no JSON.

        Without effect in an atomic task, whose writes nobody sees before it has ended.
        """
        run = current_run()
        if task_id is not None and (run is None or run.task_id != task_id):
            run = TaskRun.objects.running().filter(task_id=task_id).first()
        if run is None:
            super().update_state(task_id, state, meta, **options)
        elif not self.atomic or is_async(self):
            state = state or states.STARTED
            kept = plain(self.backend.encode_result(meta, state), what="the meta of update_state()")
            run.show_progress(state, kept)

    def map(self, it: Iterable[Any]) -> Any:
        """Celery's: a call of the task for each item, one after the other. They are one run, as
        atomic as the task and with its retries."""
        return self._each(list(it), stars=False)

    def starmap(self, it: Iterable[Any]) -> Any:
        """Like :meth:`map`, with the arguments of each call."""
        return self._each(list(it), stars=True)

    def chunks(self, it: Iterable[Any], n: int) -> Any:
        """Celery's: the calls in parts of ``n``, of which each is a run."""
        called: Any = self.s()
        return Chunks(called, it, n, app=self.app)

    def _each(self, items: list[Any], *, stars: bool) -> Any:
        each = self.app.tasks[EACH_TASK].si(self.name, items, stars)
        return each.set(queue=self._queue(None), priority=self._priority(None))

    def replace(self, sig: Any) -> Any:
        """Celery's: the run goes on as another task or canvas, which is recorded with its outcome,
        gets its task id and its place in a batch, and is followed by what would follow it."""
        if run := current_run():
            follow = {name: list(signatures(run, option)) for name, option in _FOLLOWERS.items()}
            self.request.update(follow, chord=run.options.get("chord"))
        accumulate = self.app.tasks[ACCUMULATE_TASK].s()  # not Celery's, which is a plain task
        if isinstance(sig, group):
            sig |= accumulate
        elif isinstance(sig, chain) and sig.tasks and isinstance(sig.tasks[-1], group):
            sig.kwargs["tasks"] = [*sig.tasks[:-1], sig.tasks[-1] | accumulate]
        return super().replace(sig)

    def on_replace(self, sig: Any) -> Any:
        if current_run() is None:
            return super().on_replace(sig)
        raise Replaced(sig)

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:
        """Celery's: add a task or canvas to the chord, or other batch, of which the run is a
        member."""
        run = current_run()
        if run is None or run.batch_id is None:  # in a chord, if a result backend counts it
            self.request.update(chord=run.options.get("chord") if run else self.request.chord)
            inherited: Any = super().add_to_chord
            return inherited(sig, lazy)
        if lazy:
            raise OptionNotKept(f"{self.name}: add_to_chord() adds a task to its batch at once")
        batch = Batch.objects.get(pk=run.batch_id)
        members = ports.members_of(batch.batch_id, [sig])
        recording.add(batch.pk, members)
        added: list[Any] = [*members.runs, *members.awaited]
        return self.AsyncResult(added[0].task_id)


class Chunks(chunks):
    """The chunks of a ledger task."""

    # Celery's own attributes, which its type stubs leave out.
    _app: Any
    _unpack_args: Any

    def group(self) -> Any:
        """A group of as many runs as there are chunks."""
        task, items, size = self._unpack_args(self.kwargs)
        each, called = iter(items), self.app.tasks[task.task]
        parts = iter(lambda: list(islice(each, size)), [])
        return group([called.starmap(part) for part in parts], app=self._app)


class EachTask(LedgerTask):
    """The task that calls another one for each of many items, in its run."""

    abstract = True

    def work_for(self, run: TaskRun) -> Work:
        called = self.app.tasks.get(run.args[0]) if run.args else None
        work = super().work_for(run)
        if not isinstance(called, LedgerTask):
            return work  # its function says that there is none
        atomic = called.atomic and not is_async(called)
        return replace(work, atomic=atomic, retry=policy_of(called))


def call_each(task: str, items: Sequence[Any], *, stars: bool) -> list[Any]:
    """Call a task's function for each item, or with the arguments that each item is."""
    function = current_app.tasks[task]
    return [function(*item) if stars else function(item) for item in items]


def _tasks(registered: refusing.Registered) -> Mapping[str, str]:
    found: Mapping[str, str] = registered.get("tasks", {})
    return found


def is_async(task: Any) -> bool:
    """Whether the function behind a task is an ``async def``."""
    return asyncio.iscoroutinefunction(inspect.unwrap(getattr(task, "_orig_run", task.run)))


_request: ContextVar[tuple[str, Any]] = ContextVar("request", default=("", None))
"""The name of the task whose coroutine is executed here, and its request."""


async def with_request(
    task: Task, request: Mapping[str, Any], body: Coroutine[Any, Any, Value]
) -> Value:
    """Await the coroutine of a task, which finds this request as ``self.request``."""
    _request.set((task.name, Context(**request)))
    return await body


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


# Retry policies


def policy_of(task: Any) -> RetryPolicy:
    """A task's retry policy.

    That is ``retry_policy``, or the settings' policy with the task's ``max_retries`` and
    ``autoretry_for``.
    """
    if task.retry_policy is not None:
        return task.retry_policy
    policy = default_retry()
    if is_set(task, "max_retries"):
        policy = replace(policy, max_retries=task.max_retries)
    return _autoretry(task, policy) if getattr(task, "autoretry_for", ()) else policy


def is_set(task: Any, option: str) -> bool:
    """Whether the task sets this option itself, be it to Celery's default."""
    own = type(task).__mro__[: type(task).__mro__.index(Task)]
    return any(option in vars(each) for each in own)


def _autoretry(task: Any, policy: RetryPolicy) -> RetryPolicy:
    """The policy for Celery's ``autoretry_for``: only these exceptions are retried."""
    given = getattr(task, "retry_kwargs", {})
    limit = given.get("max_retries")
    policy = replace(
        policy,
        max_retries=policy.max_retries if limit is None else limit,
        only=tuple(task.autoretry_for),
        permanent=tuple(getattr(task, "dont_autoretry_for", ())),
    )
    if getattr(task, "retry_backoff", False):
        return _backoff(task, policy)
    return _constant(task, policy, given.get("countdown"))


def _backoff(task: Any, policy: RetryPolicy) -> RetryPolicy:
    """The policy for ``retry_backoff``: ``True`` is one second, as in Celery.

    ``retry_jitter`` makes all of a delay random.
    """
    return replace(
        policy,
        base_seconds=float(int(max(1.0, float(task.retry_backoff)))),
        cap_seconds=float(getattr(task, "retry_backoff_max", 600)),
        jitter=1.0 if getattr(task, "retry_jitter", True) else 0.0,
    )


def _constant(task: Any, policy: RetryPolicy, countdown: float | None) -> RetryPolicy:
    if countdown is None and is_set(task, "default_retry_delay"):
        countdown = task.default_retry_delay
    if countdown is None:
        return policy
    return replace(policy, base_seconds=countdown, cap_seconds=countdown, jitter=0.0)


# Titles and names


def title_of_task(name: str) -> Any:
    """The ``title`` of the task of this name; empty for a task without one, and for none."""
    if name not in current_app.tasks:
        load_tasks()
    return getattr(current_app.tasks.get(name), "title", "")


def names_of_work() -> list[str]:
    """The names of all handlers and ledger tasks of this process. The task that carries events is
    none: its runs are those of handlers."""
    load_tasks()
    tasks = [name for name, task in current_app.tasks.items() if isinstance(task, WorkSource)]
    return [*handler_names(), *sorted(name for name in tasks if name != EVENT_TASK)]
