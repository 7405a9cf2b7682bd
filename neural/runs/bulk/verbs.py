"""What each verb of a bulk action does to runs, and to which."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from neural.models import BulkVerb, RunState
from neural.models.run import SET_ASIDE_STATES, TaskRunQuerySet

PENDING, DEAD = RunState.PENDING, RunState.DEAD
Values = Mapping[str, Any]
QUEUE = "queue"
"""The value that a move needs: the queue to move to."""


def _nothing(values: Values) -> Q | None:
    """The default for ``excluded``."""
    return None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A verb: who may do it, to runs in which states, and what it changes."""

    permission: str
    states: Collection[str]
    """The states in which it changes a run."""
    usual_state: str
    """The state of the runs that are meant if the filter names none."""
    change: Callable[[TaskRunQuerySet, Values], int]
    """Changes all of these runs; returns how many."""
    logged: str
    """The change, in log lines."""
    excluded: Callable[[Values], Q | None] = _nothing
    """Runs that it leaves as they are although their state fits."""
    why_excluded: str = ""


def _move(runs: TaskRunQuerySet, values: Values) -> int:
    # A waiting run needs a message on its new queue: at once, or when it is due.
    return runs.update(queue=values[QUEUE], publish_at=Greatest(F("available_at"), Now()))


EFFECTS: Mapping[str, Effect] = {
    BulkVerb.RETRY: Effect(
        permission="neural.retry_taskrun",
        states=SET_ASIDE_STATES,
        usual_state=DEAD,
        change=lambda runs, values: runs.retry(),
        logged="retried",
        excluded=lambda values: Q(event__pruned_at__isnull=False),
        why_excluded="payload_pruned",
    ),
    BulkVerb.HURRY: Effect(
        permission="neural.hurry_taskrun",
        states=(PENDING,),
        usual_state=PENDING,
        change=lambda runs, values: runs.hurry(),
        logged="hurried",
    ),
    BulkVerb.CANCEL: Effect(
        permission="neural.cancel_taskrun",
        states=(PENDING,),
        usual_state=PENDING,
        change=lambda runs, values: runs.cancel(),
        logged="cancelled",
    ),
    BulkVerb.DISCARD: Effect(
        permission="neural.discard_taskrun",
        states=(DEAD,),
        usual_state=DEAD,
        change=lambda runs, values: runs.discard(),
        logged="discarded",
    ),
    BulkVerb.MOVE: Effect(
        permission="neural.move_taskrun",
        states=(PENDING, *SET_ASIDE_STATES),
        usual_state=PENDING,
        change=_move,
        logged="moved",
        excluded=lambda values: Q(queue=values.get(QUEUE, "")),
        why_excluded="there_already",
    ),
}


def is_permitted(verb: str, user: Any) -> bool:
    """Whether this user may apply the verb to the runs that they see."""
    active = bool(getattr(user, "is_active", False))
    return active and user.has_perms(["neural.view_taskrun", EFFECTS[verb].permission])
