"""The messages of runs: which runs need one, what it contains, and how it is made and sent."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from celery import current_app
from celery.exceptions import QueueNotFound
from kombu import Producer

from neural.kit.conf import conf
from neural.ledger.ports import AnyRun
from neural.ledger.work import WorkSource
from neural.models import TaskRun
from neural.personal.redacting import redacted
from neural.runs.models.run import NO_LIMITS, Without

RUN_HEADER = "neural_run"
CORRELATION_ID_BYTES = 255
ARGSREPR_LENGTH = 200
# Options of the task that its messages carry. Its expiry and priority are left out: nobody would
# record that a message was dropped, and on Redis 0 is most urgent.
_LIMITS = ("time_limit", "soft_time_limit")
_ENCODING = ("serializer", "compression", "delivery_mode")
_OF_THE_RUN = ("time_limit", "soft_time_limit", "root_id", "group_id", "group_index", "shadow")
LONGEST = 1000
"""Characters of an excerpt. More than are shown, because masks are shorter than what they hide."""
DEEPEST = 20
LEFT_OUT = "…"
_OF_EACH = 2
"""What each value counts besides its own characters: those between two values."""


class RunMessage(NamedTuple):
    """The message of one run, as it is sent."""

    task_id: str
    task: str
    queue: str
    argsrepr: str = ""
    """The arguments that Flower and ``inspect`` show, with personal data masked."""
    options: Mapping[str, Any] = MappingProxyType({})
    """What every message of this run contains besides its task id."""


def run_message(run: AnyRun) -> RunMessage:
    """The message for one run."""
    return RunMessage(
        run.task_id, run.task, run.queue, run.handler or _argsrepr(run), options_of(run)
    )


def _argsrepr(run: AnyRun) -> str:
    """Whoever reads the broker reads this, and erasing a person does not reach it."""
    args, kwargs = (
        run.options.get(given) or repr(redacted(excerpt_of(value)))
        for given, value in (("argsrepr", run.args), ("kwargsrepr", run.kwargs))
    )
    return f"args={args} kwargs={kwargs}"[:ARGSREPR_LENGTH]


def options_of(run: AnyRun) -> dict[str, Any]:
    """What every message of a run contains besides its task id: limits, headers and parent.

    The callbacks are left out because the ledger starts them. The expiry is left out because Celery
    would drop the message, and nobody would record that the run has expired.
    """
    options = {name: run.options[name] for name in _OF_THE_RUN if name in run.options}
    if run.parent_task_id:
        options["parent_id"] = run.parent_task_id
    if run.options.get("stamped_headers"):
        options |= {"stamped_headers": run.options["stamped_headers"], **run.options["stamps"]}
    # The message is the same whether a worker or a relay publishes it.
    options["root_id"] = run.root_id
    options["headers"] = headers = {**run.options.get("headers", {})}
    if run.options.get("ignore_result") is False:
        # As an option, the publisher would itself listen for the result.
        headers["ignore_result"] = False
    return options


def messages_for(runs: Iterable[AnyRun]) -> list[RunMessage]:
    """The messages that these runs need.

    One message leads a worker to claim a batch of due runs. So runs that may be batched need one
    message for each batch, and every other run needs its own.
    """
    messages: list[RunMessage] = []
    batchable: dict[str, Sequence[str]] = {}
    open_slots: dict[tuple[str, str], int] = {}
    for run in runs:
        if run.task not in batchable:
            batchable[run.task] = batchable_handlers(run.task)
        slot = (run.task, run.queue)
        shared = run.handler in batchable[run.task] and not run.goes_alone
        if shared and open_slots.get(slot, 0) > 0:
            open_slots[slot] -= 1
            continue
        if shared:
            open_slots[slot] = conf().batch_claim_runs - 1
        messages.append(run_message(run))
    return messages


def batchable_handlers(task: str) -> Sequence[str]:
    """The handlers whose runs may be claimed in the batch of a message of this task."""
    source = current_app.tasks.get(task)
    return source.batchable() if isinstance(source, WorkSource) else ()


def next_message(queue: str, batchable: Sequence[str]) -> list[RunMessage]:
    """The message for the most urgent run that could be batched next: a list of one or none."""
    due = TaskRun.objects.due().filter(queue=queue, handler__in=batchable)
    # No third key, as in claiming: the index has none, and the whole backlog would be sorted.
    without_limits = due.alias(limits=Without("options", *NO_LIMITS)).filter(limits={})
    batchable_runs = without_limits.filter(failures=0, losses=0)
    found = batchable_runs.order_by("-priority", "available_at")
    return [run_message(run) for run in found[:1]]


def is_queue(name: str) -> bool:
    """Whether a queue is configured, or Celery creates missing ones."""
    return name in current_app.amqp.queues or bool(current_app.conf.task_create_missing_queues)


def send(producer: Producer, message: RunMessage, *, declare: bool, tells: bool) -> None:
    """Send one message, or raise QueueNotFound. ``declare``: declare the queue first. ``tells``:
    send Celery's event that it was sent.

    These are Celery's own two steps, with its signals and events, but not its ``send_task``. That
    one looks up routes, the result backend and the current task for each message, and so takes
    twice as long.
    """
    amqp = current_app.amqp
    try:
        queue = amqp.queues[message.queue]
    except KeyError as error:
        raise QueueNotFound(message.queue) from error
    correlation_id = message.task_id
    if len(correlation_id.encode()) > CORRELATION_ID_BYTES:  # of RabbitMQ
        correlation_id = hashlib.sha256(correlation_id.encode()).hexdigest()
    options = {**_of_task(message.task, _LIMITS), **message.options}
    kept = message.options.get("headers", {})
    # Sentry's SDK looks for them there: https://github.com/celery/celery/issues/4875
    within = {"headers": kept} if "sentry-trace" in kept else {}
    amqp.send_task_message(
        producer,
        message.task,
        current_app.amqp.create_task_message(
            message.task_id,
            message.task,
            argsrepr=message.argsrepr or "()",
            kwargsrepr="{}",
            ignore_result=True,
            reply_to=current_app.thread_oid,
            create_sent_event=tells,
            **options,
        ),
        queue=queue,
        declare=[queue] if declare else [],
        headers={**kept, **within, RUN_HEADER: True},
        retry=False,
        priority=None,
        correlation_id=correlation_id,
        **_of_task(message.task, _ENCODING),
    )


def _of_task(name: str, options: tuple[str, ...]) -> dict[str, Any]:
    task = current_app.tasks.get(name)
    asked = ((option, getattr(task, option, None)) for option in options)
    return {option: value for option, value in asked if value is not None}


# Excerpts of arguments


def excerpt_of(value: Any) -> Any:
    """A copy of a JSON value of which what exceeds the limits is left out.

    A text is kept whole or not at all: the half of a phone or of a JSON document would no longer be
    recognised as personal.
    """
    return _Excerpt().of(value, 0)


class _Excerpt:
    def __init__(self) -> None:
        self._left = LONGEST

    def of(self, value: Any, depth: int) -> Any:
        """The value, as far as there is room for it, in reading order."""
        self._left -= _OF_EACH
        if isinstance(value, str):
            return value if self._takes(value) else LEFT_OUT
        if not isinstance(value, dict | list | tuple):
            return value
        if depth == DEEPEST and value:
            return LEFT_OUT
        return self._object(value, depth) if isinstance(value, dict) else self._list(value, depth)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        found = {}
        for key, inner in value.items():
            if self._left <= 0 or not self._takes(str(key)):  # what a key names is not known then
                found[LEFT_OUT] = LEFT_OUT
                break
            found[key] = self.of(inner, depth + 1)
        return found

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        found = []
        for inner in value:
            if self._left <= 0:
                found.append(LEFT_OUT)
                break
            found.append(self.of(inner, depth + 1))
        return found

    def _takes(self, text: str) -> bool:
        """Whether there is room for a text, which it then takes."""
        if len(text) > self._left:
            return False
        self._left -= len(text)
        return True
