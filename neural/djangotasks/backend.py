"""The backend that Django's tasks framework calls.

``TASKS[alias]["OPTIONS"]`` are read here (:class:`LedgerOptions`), and a task's queue and priority
are told in the ledger's terms.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neural.djangotasks import reference, registry
from neural.ledger.retry import RetryPolicy
from neural.queues import (
    DEFAULT_PRIORITY,
    DEFAULT_QUEUE,
    HIGH_PRIORITY,
    HIGH_PRIORITY_QUEUE,
    LOW_PRIORITY,
    LOW_PRIORITY_QUEUE,
    QUEUES,
)

MOST = 100
"""Django's priorities range from -100 to 100; 0 is ordinary."""
URGENT = 50
"""From this priority on, and below its negative, a task leaves the default queue.

Messages of one queue arrive in the order in which they were sent, so only another queue can pass a
backlog.
"""

_POLICY = {
    "max_retries": "max_retries",
    "retry_base_seconds": "base_seconds",
    "retry_cap_seconds": "cap_seconds",
    "retry_jitter": "jitter",
}


class LedgerOptions(BaseModel):
    """The options, frozen. The settings (``NEURAL``) decide what is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queues: dict[str, str] = Field(default_factory=dict)
    """Queue names of tasks, each with the Celery queue that it stands for."""
    atomic: bool = False
    """Whether a task's database writes and its outcome are one transaction. If not, a task must be
    idempotent: it runs again when its worker is lost."""
    max_retries: int | None = Field(default=None, ge=0)
    retry_base_seconds: float | None = Field(default=None, ge=0)
    retry_cap_seconds: float | None = Field(default=None, ge=0)
    retry_jitter: float | None = Field(default=None, ge=0, le=1)

    def policy(self, usual: RetryPolicy) -> RetryPolicy:
        """The usual retry policy, changed as these options say."""
        values = {theirs: getattr(self, name) for name, theirs in _POLICY.items()}
        changes: dict[str, Any] = {name: it for name, it in values.items() if it is not None}
        return replace(usual, **changes)


def queue_for(name: str, priority: int, queues: Mapping[str, str]) -> str:
    """The ledger's queue of a task.

    That is the one that ``queues`` names, else the queue of that name. For the default queue, the
    priority decides.
    """
    if name in queues:
        return queues[name]
    if name == DEFAULT_QUEUE and priority >= URGENT:
        return HIGH_PRIORITY_QUEUE
    if name == DEFAULT_QUEUE and priority <= -URGENT:
        return LOW_PRIORITY_QUEUE
    return name


def ledger_priority(priority: int) -> int:
    """Map -100 to 100 to 1 to 10, with 0 as 5. The order is kept; near priorities become one."""
    span = HIGH_PRIORITY - DEFAULT_PRIORITY if priority > 0 else DEFAULT_PRIORITY - LOW_PRIORITY
    return DEFAULT_PRIORITY + round(priority * span / MOST)


class LedgerBackend(reference.BaseTaskBackend):
    """Every task is a run of the ledger, recorded in the caller's transaction.

    A task is decorated when its module is imported, which may be before Django has loaded its
    models. So this module imports nothing at its top that needs them.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, {"QUEUES": QUEUES, **params})

    @cached_property
    def ledger_options(self) -> LedgerOptions:
        """``OPTIONS``, validated. Raises InvalidTaskBackend, whose message says what is wrong."""
        try:
            return LedgerOptions.model_validate(self.options)
        except ValidationError as invalid:
            messages = "; ".join(_message(self.alias, error) for error in invalid.errors())
            raise reference.InvalidTaskBackend(messages) from invalid

    def validate_task(self, task: Any) -> None:
        """Raise InvalidTask for an invalid task; register a valid one for the workers, if the
        models are loaded, which its Celery task needs (else when Neural is ready)."""
        super().validate_task(task)
        if registry.note(task) and apps.models_ready:
            from neural.djangotasks.runs import register

            register(task)

    def queue_of(self, task: Any) -> str:
        """The ledger's queue of a task."""
        return queue_for(task.queue_name, task.priority, self.ledger_options.queues)

    def priority_of(self, task: Any) -> int:
        """The ledger's priority of a task."""
        return ledger_priority(task.priority)

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Record a run in the caller's transaction; it is published when that commits.

        Raises TypeError for arguments that are not JSON and
        :class:`~neural.kit.stored_json.NotStorable` for those that the ledger cannot keep.
        """
        from neural.djangotasks.runs import record

        self.validate_task(task)
        return record(self, task, args, kwargs)

    def get_result(self, result_id: str) -> Any:
        """The TaskResult of a task, in any process. Raises TaskResultDoesNotExist."""
        from neural.djangotasks.results import find_result

        return find_result(result_id)

    def check(self, **kwargs: Any) -> Iterable[CheckMessage]:
        """System check: the options are well-formed, and messages can be sent to every queue."""
        try:
            yield from _unknown_queues(self.alias, self.queues, self.ledger_options)
        except reference.InvalidTaskBackend as invalid:
            hint = "The options and their meaning are in docs/reference/django-tasks.md."
            yield Error(str(invalid), hint=hint, id="neural.E020")


def _message(alias: str, error: Any) -> str:
    where = "".join(f"[{part!r}]" for part in ("OPTIONS", *error["loc"]))
    return f"settings.TASKS[{alias!r}]{where}: {error['msg']}"


def _unknown_queues(
    alias: str, names: Iterable[str], options: LedgerOptions
) -> Iterator[CheckMessage]:
    from neural.ledger import ports  # not before the models are loaded

    for name in sorted(names):
        queue = queue_for(name, 0, options.queues)
        if not ports.has_queue(queue):
            yield Error(
                f"settings.TASKS[{alias!r}]: there is no Celery queue {queue!r}, to which tasks "
                f"of the queue {name!r} would go",
                hint="Say in OPTIONS['queues'] which queue of CELERY_TASK_QUEUES it stands for.",
                id="neural.E021",
            )
