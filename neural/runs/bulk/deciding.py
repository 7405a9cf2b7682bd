"""Stops and resumes bulk actions: people do, and so does an action that may not go on."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from neural.models import AuditOutcome, BulkAction, TaskRun
from neural.models.bulk_action import UNDER_WAY
from neural.models.store import sees_every_store
from neural.runs.bulk.asking import ask_for_slices
from neural.runs.bulk.recording import record
from neural.runs.bulk.verbs import is_permitted

NOT_PERMITTED, RUN_DEAD = "not_permitted", "run_dead"
WHY_STOPPED: Mapping[str, Any] = {
    NOT_PERMITTED: _("The user who asked for it may not do this any more."),
    RUN_DEAD: _("The run that does it failed again and again; its page says why."),
}
"""Why an action stopped that nobody stopped, for people, by the code that it keeps."""


def may_decide(action: BulkAction, user: Any) -> bool:
    """Whether this user may stop and resume the action: whoever may do the same to the same runs.

    A user who is limited to some stores decides about their own actions alone.
    """
    is_own = action.user_id == str(user.pk)
    return is_permitted(action.verb, user) and (is_own or sees_every_store(user))


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
        record(action, AuditOutcome.FAILED, stopped=why)
    return stopped


def note_end_of_run(run: TaskRun) -> None:
    """Stop the action of a run that is dead, in the transaction of its outcome."""
    action = BulkAction.objects.filter(state__in=UNDER_WAY, run=run).first()
    if action is not None and TaskRun.objects.dead().filter(pk=run.pk).exists():
        stop_for(action, RUN_DEAD)
