"""Why somebody may not edit a run, or why a run cannot be edited, as sentences."""

from typing import Any

from django.utils.translation import gettext as _

from neural.admin.run_page.contents import values_of
from neural.models import TaskRun
from neural.personal.redacting import sees_personal_data

PERMISSION = "neural.edit_taskrun"


def why_not(user: Any) -> str:
    """Why this user may edit no run, as a sentence; empty if the user may."""
    action = {"action": _("Edit and retry")}
    if not user.has_perm(PERMISSION):
        return _("%(action)s needs a permission that you do not have.") % action
    if not sees_personal_data(user):
        return (
            _(
                "%(action)s needs the permission to see personal data too: what is masked cannot "
                "be edited."
            )
            % action
        )
    return ""


def unfit(run: TaskRun) -> str:
    """Why a run of this state is not edited; empty if it may be."""
    if run.may_be_edited:
        return ""
    return _("Only a run that is set aside, or that has failed and waits, can be edited.")


def unreadable(run: TaskRun) -> str:
    """Why its content cannot be put into a form; empty if it can."""
    rows: Any = (run.event, "payload") if run.event_id else (run, "args", "kwargs")
    values = values_of(*rows)
    if values is None:
        return _("Its content is nested too deep to be edited.")
    if values == [None]:
        return _("The event's payload was pruned: there is nothing to edit.")
    return ""
