"""The options of ``TASKS[alias]["OPTIONS"]``, and a task's queue and priority in the ledger.

Pure functions, without Django.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from neural.ledger.retry import RetryPolicy
from neural.queues import (
    DEFAULT_PRIORITY,
    DEFAULT_QUEUE,
    HIGH_PRIORITY,
    HIGH_PRIORITY_QUEUE,
    LOW_PRIORITY,
    LOW_PRIORITY_QUEUE,
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
        said = {theirs: getattr(self, name) for name, theirs in _POLICY.items()}
        changes: dict[str, Any] = {name: it for name, it in said.items() if it is not None}
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
