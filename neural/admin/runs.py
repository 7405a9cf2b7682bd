"""The admin's list of runs, and actions on them. The page of one run: ``neural.admin.run_page``."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin import audit
from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.bulk_links import previewing
from neural.admin.display import NOTHING, badge, computed_column, duration
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.run_page.page import RunPageAdmin
from neural.admin.runs_list.views import RunsList
from neural.admin.scope import HistoryAdmin
from neural.models import BulkVerb, TaskRun
from neural.runs.bulk.verbs import EFFECTS
from neural.runs.lookups import runs_by_id


def _is_in_state_for(verb: BulkVerb, run: TaskRun) -> bool:
    """Whether the verb changes a run in this state: the same for one run as for many."""
    return run.state in EFFECTS[verb].states


RETRY = Verb(
    name="retry",
    label=_("Retry"),
    explanation=_("Retry: run dead, cancelled or discarded runs again"),
    permission="neural.retry_taskrun",
    apply=lambda run, user: run.retry(),
    fits=partial(_is_in_state_for, BulkVerb.RETRY),
    change=lambda run: audit.RETRIED.get(run.state, audit.RETRIED["dead"]),
    leads_to=previewing(BulkVerb.RETRY),
)
HURRY = Verb(
    name="hurry",
    label=_("Retry now"),
    explanation=_("Retry now: start waiting runs at once"),
    permission="neural.hurry_taskrun",
    apply=lambda run, user: run.hurry(),
    fits=partial(_is_in_state_for, BulkVerb.HURRY),
    change=lambda run: audit.HURRIED,
    leads_to=previewing(BulkVerb.HURRY),
)
CANCEL = Verb(
    name="cancel",
    label=_("Cancel"),
    explanation=_("Cancel: withdraw waiting runs"),
    permission="neural.cancel_taskrun",
    apply=lambda run, user: run.cancel(),
    fits=partial(_is_in_state_for, BulkVerb.CANCEL),
    change=lambda run: audit.CANCELLED,
    leads_to=previewing(BulkVerb.CANCEL),
)
DISCARD = Verb(
    name="discard",
    label=_("Discard"),
    explanation=_("Discard: decide that dead runs stay undone"),
    permission="neural.discard_taskrun",
    apply=lambda run, user: run.discard(),
    fits=partial(_is_in_state_for, BulkVerb.DISCARD),
    change=lambda run: audit.DISCARDED,
    leads_to=previewing(BulkVerb.DISCARD),
)
MOVE = Verb(
    name="move",
    label=_("Move to another queue"),
    explanation=_("Move: give runs that wait, or were set aside, to another queue"),
    permission="neural.move_taskrun",
    apply=lambda run, user: False,  # it needs a queue: see the page of the preview
    fits=partial(_is_in_state_for, BulkVerb.MOVE),
    change=lambda run: "",
    leads_to=previewing(BulkVerb.MOVE),
    asks_for_one=True,
)


@page(TaskRun)
class TaskRunAdmin(RunsList, RunPageAdmin, VerbsAdmin, HistoryAdmin):
    verbs = (RETRY, HURRY, CANCEL, DISCARD, MOVE)
    from_outside = ("args", "kwargs", "result", "options")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Load what the links of a row need, but not an event's payload, which may be large."""
        queryset = super().get_queryset(request)
        return queryset.select_related("event", "store", "worker").defer("event__payload")

    work = computed_column(_("work"), str, "work_name")

    @admin.display(description=_("state"))
    def state_badge(self, run: TaskRun) -> SafeString:
        return badge(run.state, run.get_state_display())

    took = computed_column(_("duration"), duration, "duration")

    @admin.display(description=_("setbacks"))
    def setbacks(self, run: TaskRun) -> str:
        """The numbers of failed attempts and of lost deliveries; empty if there are none."""
        parts = []
        if run.failures:
            parts.append(gettext("%(count)d failed") % {"count": run.failures})
        if run.losses:
            parts.append(gettext("%(count)d lost") % {"count": run.losses})
        return ", ".join(parts) or NOTHING


def _begun_so(rows: QuerySet, text: str, user: Any) -> list[int]:
    return list(rows.filter(pk__in=runs_by_id(text, user)).values_list("pk", flat=True))


def _named_so(rows: QuerySet, text: str, user: Any) -> list[int]:
    return _begun_so(rows if text.startswith("#") else rows.filter(task_id=text), text, user)


register_look_up(
    LookUp(
        name="run",
        model=TaskRun,
        label=_("run"),
        find=_named_so,
        near=_begun_so,
        told=ngettext_lazy("%(count)s run begins so", "%(count)s runs begin so", "number"),
        moment="created_at",
    )
)
