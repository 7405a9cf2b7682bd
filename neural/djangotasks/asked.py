"""What a Django task was asked with, beside its arguments, as its run keeps it."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any, Self

from neural.models import TaskRun

_HEADER = "django_task"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The terms of Django's framework; the run's own columns are in the ledger's."""

    module: str
    """Whose import makes the task known."""
    backend: str
    priority: int
    queue_name: str
    run_after: str | None

    @classmethod
    def of(cls, task: Any) -> Self:
        return cls(
            module=task.func.__module__,
            backend=task.backend,
            priority=task.priority,
            queue_name=task.queue_name,
            run_after=task.run_after.isoformat() if task.run_after else None,
        )

    @classmethod
    def by(cls, run: TaskRun) -> Self | None:
        """None for a run that was asked for by Celery's means: a schedule, a plain client."""
        kept = run.options.get("headers", {}).get(_HEADER)
        return cls(**kept) if kept else None

    def header(self) -> dict[str, Any]:
        """As a header, so that it is kept with the run and sent with each of its messages."""
        return {_HEADER: asdict(self)}

    def variant(self, task: Any) -> Any:
        """The task with these terms."""
        run_after = dt.datetime.fromisoformat(self.run_after) if self.run_after else None
        return task.using(
            priority=self.priority,
            queue_name=self.queue_name,
            run_after=run_after,
            backend=self.backend,
        )
