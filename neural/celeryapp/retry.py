"""Retries of a ledger task: its Celery options for them, and ``self.retry``."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from celery import Task
from django.utils import timezone

from neural.celeryapp.options import OptionNotKept, aware
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import RetryRequested, default_retry


class RetriedTask(Task):
    """``self.retry`` of a ledger task."""

    abstract = True

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
        )

    def _refuse_changes(self, args: Any, kwargs: Any, options: Mapping[str, Any]) -> None:
        if (args is not None and list(args) != list(self.request.args or ())) or (
            kwargs is not None and dict(kwargs) != dict(self.request.kwargs or {})
        ):
            raise OptionNotKept(f"{self.name}: a retry cannot change a run's arguments")
        asked = {name for name, value in options.items() if value is not None}
        others = sorted(asked - {"countdown", "eta", "max_retries", "throw"})
        if others or options.get("throw", True) is not True:
            what = ", ".join(others) or "throw=False"
            raise OptionNotKept(f"{self.name}: self.retry() does not know {what} in the ledger")

    def _countdown(self, countdown: float | None, eta: dt.datetime | None) -> float | None:
        if eta is not None:
            return max(0, (aware(eta) - timezone.now()).total_seconds())
        if countdown is None and is_said(self, "default_retry_delay"):
            return self.default_retry_delay
        return countdown

    def replace(self, sig: Any) -> Any:
        """Raise OptionNotKept: a run is one piece of work. Use a chain instead."""
        raise OptionNotKept(f"{self.name}: self.replace() is not kept by the ledger; use a chain")


def policy_of(task: Any) -> RetryPolicy:
    """A task's retry policy.

    That is ``retry_policy``, or the settings' policy with the task's ``max_retries`` and
    ``autoretry_for``.
    """
    if task.retry_policy is not None:
        return task.retry_policy
    policy = default_retry()
    if is_said(task, "max_retries"):
        policy = replace(policy, max_retries=task.max_retries)
    return _autoretry(task, policy) if getattr(task, "autoretry_for", ()) else policy


def is_said(task: Any, option: str) -> bool:
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
    if countdown is None and is_said(task, "default_retry_delay"):
        countdown = task.default_retry_delay
    if countdown is None:
        return policy
    return replace(policy, base_seconds=countdown, cap_seconds=countdown, jitter=0.0)
