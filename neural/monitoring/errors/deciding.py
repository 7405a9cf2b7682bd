"""What people do about error groups: mute, resolve, open; retry or discard their dead runs."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.models import RunState, TaskRun
from neural.models.run import TaskRunQuerySet
from neural.models.run_log import log_change
from neural.monitoring.errors.reading import codes_of, dead_runs
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun

MOST_AT_ONCE = 500
"""Runs that one press retries or discards."""


@dataclass(frozen=True)
class Acted:
    """The dead runs that were changed, and whether there are more."""

    runs: Sequence[TaskRun]
    more: bool


def mute(group: ErrorGroup, user: Any, *, until: dt.datetime) -> bool:
    """Show the group in no list of open groups and in no alert until then. Returns whether it was
    open or muted otherwise."""
    return _decide(
        group,
        user,
        (ErrorGroupState.OPEN, ErrorGroupState.MUTED),
        state=ErrorGroupState.MUTED,
        muted_until=until,
    )


def resolve(group: ErrorGroup, user: Any) -> bool:
    """Consider the fault corrected: an attempt that begins from now on opens the group again.
    Returns whether it was not resolved."""
    return _decide(
        group,
        user,
        (ErrorGroupState.OPEN, ErrorGroupState.MUTED),
        state=ErrorGroupState.RESOLVED,
        resolved_at=Now(),
        muted_until=None,
    )


def reopen(group: ErrorGroup, user: Any) -> bool:
    """Take a decision back. Returns whether the group was muted or resolved."""
    return _decide(
        group,
        user,
        (ErrorGroupState.MUTED, ErrorGroupState.RESOLVED),
        state=ErrorGroupState.OPEN,
        muted_until=None,
        resolved_at=None,
    )


def _decide(
    group: ErrorGroup, user: Any, allowed: tuple[ErrorGroupState, ...], **changes: Any
) -> bool:
    changes["decided_by"] = user.get_username()
    rows = ErrorGroup.objects.filter(pk=group.pk, state__in=allowed).update(**changes)
    if rows:
        group.refresh_from_db(fields=list(changes))
    return bool(rows)


def retry_dead(group: ErrorGroup, user: Any) -> Acted:
    """Retry the group's newest dead runs in the user's stores, at most :data:`MOST_AT_ONCE`."""
    return _act(group, user, "retried", TaskRunQuerySet.retry)


def discard_dead(group: ErrorGroup, user: Any) -> Acted:
    """Decide that these runs will not be retried."""
    return _act(group, user, "discarded", _discard)


def _discard(runs: TaskRunQuerySet) -> int:
    return runs.update(state=RunState.DISCARDED)


def _act(
    group: ErrorGroup,
    user: Any,
    name: str,
    apply: Callable[[TaskRunQuerySet], int],
) -> Acted:
    """Change the dead runs together."""
    with transaction.atomic():
        found = dead_runs(group.pk, codes_of(user)).order_by("-pk")
        keys = list(found.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        mine = TaskRun.objects.dead().filter(pk__in=keys[:MOST_AT_ONCE]).order_by("pk")
        runs = list(mine.select_for_update().defer("args", "kwargs", "result"))
        changed = [run.pk for run in runs]
        apply(TaskRun.objects.dead().filter(pk__in=changed))
        FailedRun.objects.filter(pk__in=changed).update(dead=False)
        transaction.on_commit(partial(log_change, name, runs), robust=True)
    return Acted(runs, len(keys) > MOST_AT_ONCE)
