"""A task's retry policy: its own, or what its Celery options ask for."""

from dataclasses import replace
from typing import Any

from celery import Task

from neural.ledger.retry import RetryPolicy
from neural.ledger.work import default_retry


def policy_of(task: Any) -> RetryPolicy:
    """``retry_policy``, or the settings' policy with the task's ``max_retries`` and
    ``autoretry_for``."""
    if task.retry_policy is not None:
        return task.retry_policy
    policy = default_retry()
    if is_said(task, "max_retries"):
        policy = replace(policy, max_retries=task.max_retries)
    return _autoretry(task, policy) if getattr(task, "autoretry_for", ()) else policy


def is_said(task: Any, option: str) -> bool:
    """Whether a task says this itself, be it what Celery says by default."""
    own = type(task).__mro__[: type(task).__mro__.index(Task)]
    return any(option in vars(each) for each in own)


def _autoretry(task: Any, policy: RetryPolicy) -> RetryPolicy:
    """Celery's ``autoretry_for``: only these exceptions are tried again."""
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
    """``True`` is one second, as in Celery, and ``retry_jitter`` all of a delay."""
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
