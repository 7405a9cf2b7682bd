"""Time limits of one call, such that they hold.

Celery's pool sets one timer for a task: for the soft limit where there is one, and for the hard
one only when that has rung. A call's hard limit below the usual soft one (240 s) would not be
heeded before it, and a soft one beyond the usual hard one would put that off.
"""

from collections.abc import Mapping
from typing import Any

SOFT_SHARE = 0.9
"""Of a hard limit that comes alone: time to end the try before the process is ended."""


def limits_of(task: Any, given: Mapping[str, Any]) -> dict[str, float]:
    """``time_limit`` and ``soft_time_limit`` for a call, in seconds; empty: the usual ones.

    Raises ValueError for a soft limit beyond the hard one.
    """
    conf = task.app.conf
    usual_hard = task.time_limit or conf.task_time_limit
    usual_soft = task.soft_time_limit or conf.task_soft_time_limit
    hard, soft = given.get("time_limit"), given.get("soft_time_limit")
    if hard is None and soft is None and not _is_late(usual_soft, usual_hard):
        return {}
    longest = hard or usual_hard
    if soft is None:
        soft = longest * SOFT_SHARE if _is_late(usual_soft, longest) else usual_soft
    if longest and soft > longest:
        raise ValueError(f"{task.name}: soft_time_limit {soft} is beyond time_limit {longest}")
    found = {"time_limit": hard, "soft_time_limit": soft}
    return {name: value for name, value in found.items() if value is not None}


def _is_late(soft: float | None, hard: float | None) -> bool:
    return hard is not None and (soft is None or soft >= hard)
