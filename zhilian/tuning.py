"""How workers are tuned: Celery's settings that depend on the machine and on the work.

`docs/settings.md` has for each what the Celery guide proposes, what is the default here, and
why. Durations are whole seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

CONCURRENCY = "CELERY_WORKER_CONCURRENCY"
PREFETCH = "CELERY_WORKER_PREFETCH_MULTIPLIER"
SOFT_LIMIT = "CELERY_TASK_SOFT_TIME_LIMIT"
HARD_LIMIT = "CELERY_TASK_TIME_LIMIT"
TASKS_PER_CHILD = "CELERY_WORKER_MAX_TASKS_PER_CHILD"
VARIABLES = (CONCURRENCY, PREFETCH, SOFT_LIMIT, HARD_LIMIT, TASKS_PER_CHILD)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What the environment says about workers, completed by the defaults."""

    concurrency: int | None = None
    """Processes of a worker that is not told otherwise; None: one a core."""
    prefetch_multiplier: int = 1
    """Messages that a worker takes for each of its processes, those at work included."""
    soft_time_limit: int = 240
    """The task is interrupted by an exception: a failed try."""
    time_limit: int = 300
    """The process is ended: a lost delivery."""
    max_tasks_per_child: int = 1000
    """After so many messages a process is replaced by a fresh one."""


def read(values: Mapping[str, str]) -> Tuning:
    """The tuning that `values` (an environment) ask for. Raises ImproperlyConfigured."""
    default = Tuning()
    tuning = Tuning(
        concurrency=_positive(values, CONCURRENCY, 0) or None,
        prefetch_multiplier=_positive(values, PREFETCH, default.prefetch_multiplier),
        soft_time_limit=_positive(values, SOFT_LIMIT, default.soft_time_limit),
        time_limit=_positive(values, HARD_LIMIT, default.time_limit),
        max_tasks_per_child=_positive(values, TASKS_PER_CHILD, default.max_tasks_per_child),
    )
    if tuning.soft_time_limit >= tuning.time_limit:
        raise ImproperlyConfigured(
            f"{SOFT_LIMIT} ({tuning.soft_time_limit} s) must be below {HARD_LIMIT} "
            f"({tuning.time_limit} s): the hard limit would always strike first."
        )
    return tuning


def _positive(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ImproperlyConfigured(f"{name}={text!r}: write a whole number, 1 or more.")
    return int(text)
