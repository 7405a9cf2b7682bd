"""What ``TASKS[alias]["OPTIONS"]`` may say of the ledger's backend."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from neural.ledger.retry import RetryPolicy

_POLICY = {
    "max_retries": "max_retries",
    "retry_base_seconds": "base_seconds",
    "retry_cap_seconds": "cap_seconds",
    "retry_jitter": "jitter",
}


class LedgerOptions(BaseModel):
    """The options, frozen. What is left out is as the settings (``NEURAL``) have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queues: dict[str, str] = Field(default_factory=dict)
    """Queue names of tasks, each with the Celery queue that it stands for."""
    atomic: bool = False
    """Whether a task's database writes and its outcome are one transaction. Otherwise a task
    must be idempotent: it runs again when its worker is lost."""
    max_retries: int | None = Field(default=None, ge=0)
    retry_base_seconds: float | None = Field(default=None, ge=0)
    retry_cap_seconds: float | None = Field(default=None, ge=0)
    retry_jitter: float | None = Field(default=None, ge=0, le=1)

    def policy(self, usual: RetryPolicy) -> RetryPolicy:
        """The usual retry policy with what these options say otherwise."""
        said = {theirs: getattr(self, name) for name, theirs in _POLICY.items()}
        changes: dict[str, Any] = {name: it for name, it in said.items() if it is not None}
        return replace(usual, **changes)
