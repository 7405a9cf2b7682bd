"""What leads to members that are no runs: if it was set aside, they are awaited no longer.

The runs before the last of a chain are no members. The death of one fails its member at once
(``neural.celeryapp.callbacks``). Nobody hears of one that is cancelled, expires or is discarded, or
that an older worker settles, nor of a plain task whose worker does not load ``neural``: relays look
for these, some batches and members in each turn.
"""

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from neural.batches import awaited, ending, ports
from neural.models import AwaitedMember, AwaitedState, RunState, TaskRun
from neural.runs.models.run import SET_ASIDE_STATES

BATCHES = 20
MEMBERS = 200
PATIENCE = dt.timedelta(minutes=1)
"""A member that has not been reported for so long is looked for in the result backend."""

_positions: dict[int, str] = {}
"""By batches, the last member that this process's relay has looked at."""


def ask_all() -> None:
    """Ask a page of batches whether they are over, and look at what leads to some of their members:
    a relay's duty."""
    waiting = [look for look in ending.ask_all() if look.awaited is not None]
    for look in random.sample(waiting, min(len(waiting), BATCHES)):
        _look_at(look.pk, look.batch_id)


def _look_at(batch_pk: int, batch_key: str) -> None:
    after = _positions.pop(batch_pk, "")
    theirs = AwaitedMember.objects.filter(batch_key=batch_key, ended_at=None, task_id__gt=after)
    is_late = Q(created_at__lt=Now() - PATIENCE)
    page: list[Any] = list(theirs.annotate(is_late=is_late).order_by("task_id")[:MEMBERS])
    if len(page) == MEMBERS:
        _positions[batch_pk] = page[-1].task_id
    _end_those_that_never_start(page)
    if late := [member for member in page if member.is_late]:
        ports.report_from_results(late)


def _end_those_that_never_start(members: Sequence[AwaitedMember]) -> None:
    leading = {task_id: member for member in members for task_id in member.led_by}
    lost = TaskRun.objects.filter(task_id__in=leading, state__in=SET_ASIDE_STATES)
    for task_id, state, error in lost.values_list("task_id", "state", "error") if leading else ():
        member = leading[task_id]
        cancelled = state == RunState.CANCELLED
        how = AwaitedState.REVOKED if cancelled else AwaitedState.FAILED
        awaited.end(member.batch_key, member.task_id, how, error or f"{task_id} was {state}")
