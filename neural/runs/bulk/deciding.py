"""Asks for slices of a bulk action, stops and resumes it (people do, and so does an action that may
not go on), and records how it stands in the audit log.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from neural import audit
from neural.ledger.ports import Ended
from neural.ledger.record import enqueue
from neural.models import AuditEntry, AuditOutcome, AuditSource, BulkAction, RunState
from neural.models.store import sees_every_store
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, LOW_PRIORITY_QUEUE
from neural.queues.pausing import pauses
from neural.runs.acts import RUN_VERBS
from neural.runs.models.bulk_action import UNDER_WAY

ACT_TASK = "neural.tasks.act_on_runs"
MOST_NAMED = 100
"""Chosen runs that an entry names."""


def ask_for_slices(action: BulkAction) -> None:
    """Record a run that does the next slices, in the caller's transaction, unless one waits.

    A second run at the same time does no harm: each slice begins where the one before ended.
    """
    # People act on runs because something is wrong: a queue that is not paused, if there is
    # one. Not that of urgent work, which many runs at a time would slow down.
    paused = set(pauses().values_list("queue", flat=True))
    found = (each for each in (DEFAULT_QUEUE, LOW_PRIORITY_QUEUE) if each not in paused)
    run = enqueue(
        task=ACT_TASK,
        args=[],
        kwargs={"action_id": action.pk},
        queue=next(found, DEFAULT_QUEUE),
        priority=DEFAULT_PRIORITY,
        unique_key=f"{ACT_TASK} {action.pk}",
        requested_by=action.requested_by,
    )
    action.hand_to(run)


def record(
    action: BulkAction,
    outcome: AuditOutcome,
    *,
    source: AuditSource = AuditSource.ADMIN,
    **details: Any,
) -> None:
    """Record how the action stands, in the caller's transaction and in the name of who asked for
    it, with the number of changed runs. People see the newest of its entries alone."""
    action.refresh_from_db(fields=["changed", "unfit", "failed"])
    code = f"runs.bulk.{action.verb}"
    named = {"rows__model": action._meta.label_lower, "rows__object_id": str(action.pk)}
    before = AuditEntry.objects.filter(action=code, **named).order_by("-pk").first()
    audit.record(
        action=code,
        by=action.requested_by,
        source=AuditSource(before.source) if before else source,
        user_id=action.user_id,
        rows=[action],
        query=action.query,
        store=action.query.get("store"),
        reason=action.reason,
        details=_details(action) | details,
        outcome=outcome,
        count=action.changed,
        ends=before.pk if before else None,
    )


def _details(action: BulkAction) -> dict[str, Any]:
    names = ("verb", "expected", "unfit", "failed", "pace")
    found = {name: value for name in names if (value := getattr(action, name))}
    if action.is_of_chosen:
        found["runs"] = (action.run_ids or [])[:MOST_NAMED]
    return found | action.values


NOT_PERMITTED, RUN_DEAD, RUN_CANCELLED = "not_permitted", "run_dead", "run_cancelled"
WHY_STOPPED: Mapping[str, Any] = {
    NOT_PERMITTED: _("The user who asked for it may not do this any more."),
    RUN_DEAD: _("The run that does it failed again and again; its page says why."),
    RUN_CANCELLED: _("The run that does it was cancelled."),
}
"""Why an action stopped that nobody stopped, for people, by the code that it keeps."""


def may_decide(action: BulkAction, user: Any) -> bool:
    """Whether this user may stop and resume the action: whoever may do the same to the same runs.

    A user who is limited to some stores decides about their own actions alone.
    """
    is_own = action.user_id == str(user.pk)
    return RUN_VERBS[action.verb].is_permitted(user) and (is_own or sees_every_store(user))


def stop(*, action: BulkAction, user: Any) -> bool:
    """Do no further slice. Returns whether it was under way and the user may stop it. The caller
    records who did it."""
    return may_decide(action, user) and _stop(action, by=user.get_username())


def resume(*, action: BulkAction, user: Any) -> bool:
    """Go on behind the last slice, with the permissions of the user who asked for the action.

    Returns whether it had stopped before its end and the user may resume it. The caller records who
    did it.
    """
    if not may_decide(action, user):
        return False
    with transaction.atomic():
        locked = BulkAction.objects.select_for_update().get(pk=action.pk)
        if not locked.can_resume or not locked.resume():
            return False
        ask_for_slices(locked)
        record(locked, AuditOutcome.BEGUN)
    action.refresh_from_db()
    return True


def stop_for(action: BulkAction, why: str) -> None:
    """Stop an action that may not go on; ``why`` is a key of :data:`WHY_STOPPED`."""
    _stop(action, reason=why)


@transaction.atomic
def _stop(action: BulkAction, **why: str) -> bool:
    stopped = action.stop(**why)
    if stopped:
        outcome = AuditOutcome.STOPPED if "by" in why else AuditOutcome.FAILED
        record(action, outcome, stopped=why)
    return stopped


def stop_with_run(ended: Sequence[Ended]) -> None:
    """Stop the actions whose runs ended before them, in the same transaction."""
    for run, state, *_rest in ended:
        if state != RunState.SUCCEEDED and run.task == ACT_TASK:
            action = BulkAction.objects.filter(state__in=UNDER_WAY, run=run).first()
            if action is not None:
                stop_for(action, RUN_DEAD if state == RunState.DEAD else RUN_CANCELLED)
