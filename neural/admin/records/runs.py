"""The admin's list of runs, and actions on them. The page of one run: ``neural.admin.run_page``."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.audit import recording as audit
from neural.admin.bulk.words import previewing
from neural.admin.display import NOTHING, badge, computed_column, duration
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.run_page.page import RunPageAdmin
from neural.admin.runs_list.views import RunsList
from neural.admin.scope import HistoryAdmin
from neural.models import BulkVerb, TaskRun
from neural.runs.bulk.verbs import EFFECTS
from neural.runs.lookups import runs_by_id


def _verb(verb: BulkVerb, explanation: Any, **options: Any) -> Verb:
    """The verb for one run: the same as for many (:data:`neural.runs.bulk.verbs.EFFECTS`)."""
    effect = EFFECTS[verb]
    return Verb(
        name=verb.value,
        label=verb.label,
        explanation=explanation,
        permission=effect.permission,
        fits=lambda run: run.state in effect.states,
        leads_to=previewing(verb),
        **options,
    )


RETRY = _verb(
    BulkVerb.RETRY,
    _("Retry: run dead, cancelled or discarded runs again"),
    apply=lambda run, user: run.retry(),
    change=lambda run: audit.RETRIED.get(run.state, audit.RETRIED["dead"]),
)
HURRY = _verb(
    BulkVerb.HURRY,
    _("Retry now: start waiting runs at once"),
    apply=lambda run, user: run.hurry(),
    change=lambda run: audit.HURRIED,
)
CANCEL = _verb(
    BulkVerb.CANCEL,
    _("Cancel: withdraw waiting runs"),
    apply=lambda run, user: run.cancel(),
    change=lambda run: audit.CANCELLED,
)
DISCARD = _verb(
    BulkVerb.DISCARD,
    _("Discard: decide that dead runs stay undone"),
    apply=lambda run, user: run.discard(),
    change=lambda run: audit.DISCARDED,
)
MOVE = _verb(
    BulkVerb.MOVE,
    _("Move: give runs that wait, or were set aside, to another queue"),
    apply=lambda run, user: False,  # it needs a queue: see the page of the preview
    change=lambda run: "",
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
