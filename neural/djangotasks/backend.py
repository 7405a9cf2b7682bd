"""The backend that Django's tasks framework calls."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.core.checks import CheckMessage, Error
from pydantic import ValidationError

from neural.djangotasks import reference, registry
from neural.djangotasks.options import LedgerOptions, queue_for
from neural.queues import QUEUES


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
            told = "; ".join(_told(self.alias, error) for error in invalid.errors())
            raise reference.InvalidTaskBackend(told) from invalid

    def validate_task(self, task: Any) -> None:
        """Raise InvalidTask for an invalid task; register a valid one for the workers."""
        super().validate_task(task)
        registry.note(task)

    def queue_of(self, task: Any) -> str:
        """The ledger's queue of a task."""
        return queue_for(task.queue_name, task.priority, self.ledger_options.queues)

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Record a run in the caller's transaction; it is published when that commits.

        Raises TypeError for arguments that are not JSON and
        :class:`~neural.stored_json.NotStorable` for those that the ledger cannot keep.
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
            hint = "The options and their meaning are in docs/django-tasks.md."
            yield Error(str(invalid), hint=hint, id="neural.E020")


def _told(alias: str, error: Any) -> str:
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
