"""The verbs for runs, for one or for many: who may use them, on which runs, what they do, and how
people are told of it. A new one is a choice of :class:`~neural.models.BulkVerb` and an entry here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

from neural.ledger.record import REFUSED
from neural.models import BulkVerb, RunState, TaskRun
from neural.models.run import SET_ASIDE_STATES, TaskRunQuerySet
from neural.runs.query import RunQuery

PENDING, DEAD = RunState.PENDING, RunState.DEAD
Values = Mapping[str, Any]
QUEUE = "queue"
"""The value that a move needs: the queue to move to."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A verb: who may do it, to runs in which states, and what it changes."""

    explanation: Any
    """What it does, beside its label; translated lazily."""
    button: Any
    """What the button says, with the number of runs; a lazy ``ngettext``."""
    permission: str
    states: Collection[str]
    """The states in which it changes a run."""
    usual_state: str
    """The state of the runs that are meant if the filter names none."""
    change: Callable[[TaskRunQuerySet, Values], int]
    """Changes all of these runs; returns how many."""
    change_one: Callable[[TaskRun], bool]
    """Changes one run; returns whether its state was one of these."""
    logged: str
    """The change, in log lines."""
    audited: str | Callable[[TaskRun], str]
    """The change, in the audit log's entry for one run (:class:`neural.admin.actions.Verb`)."""
    needs_queue: bool = False
    """Whether it needs the queue to move to, so that nothing is done without a form."""
    excluded: Callable[[Values, RunQuery | None], Mapping[str, Q]] = lambda values, query: {}
    """Runs that it leaves as they are although their state fits, by the reason's code: of those
    that match a filter, or (without one) of chosen runs."""


def _not_retried(values: Values, query: RunQuery | None) -> Mapping[str, Q]:
    pruned = {"payload_pruned": Q(event__pruned_at__isnull=False)}
    is_chosen = query is None or query.run
    return pruned if is_chosen else {**pruned, "refused": REFUSED}


def _move(runs: TaskRunQuerySet, values: Values) -> int:
    # A waiting run needs a message on its new queue: at once, or when it is due.
    return runs.update(queue=values[QUEUE], publish_at=Greatest(F("available_at"), Now()))


RETRIED = {
    "dead": gettext_noop("state: dead → pending (retry)"),
    "cancelled": gettext_noop("state: cancelled → pending (retry)"),
    "discarded": gettext_noop("state: discarded → pending (retry)"),
}

EFFECTS: Mapping[str, Effect] = {
    BulkVerb.RETRY: Effect(
        explanation=_("Retry: run dead, cancelled or discarded runs again"),
        button=ngettext_lazy("Retry %(count)s run", "Retry %(count)s runs", "number"),
        permission="neural.retry_taskrun",
        states=SET_ASIDE_STATES,
        usual_state=DEAD,
        change=lambda runs, values: runs.retry(),
        change_one=TaskRun.retry,
        logged="retried",
        audited=lambda run: RETRIED.get(run.state, RETRIED["dead"]),
        excluded=_not_retried,
    ),
    BulkVerb.HURRY: Effect(
        explanation=_("Retry now: start waiting runs at once"),
        button=ngettext_lazy("Start %(count)s run now", "Start %(count)s runs now", "number"),
        permission="neural.hurry_taskrun",
        states=(PENDING,),
        usual_state=PENDING,
        change=lambda runs, values: runs.hurry(),
        change_one=TaskRun.hurry,
        logged="hurried",
        audited=gettext_noop("due at: now (retry now)"),
    ),
    BulkVerb.CANCEL: Effect(
        explanation=_("Cancel: withdraw waiting runs"),
        button=ngettext_lazy("Cancel %(count)s run", "Cancel %(count)s runs", "number"),
        permission="neural.cancel_taskrun",
        states=(PENDING,),
        usual_state=PENDING,
        change=lambda runs, values: runs.cancel(),
        change_one=TaskRun.cancel,
        logged="cancelled",
        audited=gettext_noop("state: pending → cancelled (cancel)"),
    ),
    BulkVerb.DISCARD: Effect(
        explanation=_("Discard: decide that dead runs stay undone"),
        button=ngettext_lazy("Discard %(count)s run", "Discard %(count)s runs", "number"),
        permission="neural.discard_taskrun",
        states=(DEAD,),
        usual_state=DEAD,
        change=lambda runs, values: runs.discard(),
        change_one=TaskRun.discard,
        logged="discarded",
        audited=gettext_noop("state: dead → discarded (discard)"),
    ),
    BulkVerb.MOVE: Effect(
        explanation=_("Move: give runs that wait, or were set aside, to another queue"),
        button=ngettext_lazy("Move %(count)s run", "Move %(count)s runs", "number"),
        permission="neural.move_taskrun",
        states=(PENDING, *SET_ASIDE_STATES),
        usual_state=PENDING,
        change=_move,
        change_one=lambda run: False,
        logged="moved",
        audited="",
        needs_queue=True,
        excluded=lambda values, query: {"there_already": Q(queue=values.get(QUEUE, ""))},
    ),
}


def is_permitted(verb: str, user: Any) -> bool:
    """Whether this user may apply the verb to the runs that they see."""
    active = bool(getattr(user, "is_active", False))
    return active and user.has_perms(["neural.view_taskrun", EFFECTS[verb].permission])
