"""The admin's list of runs, and actions on them. The page of one run: :mod:`.run_page`."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from neural.admin.actions import VerbsAdmin
from neural.admin.display import NOTHING, computed_column
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin
from neural.models import TaskRun
from neural.runs.acts import RUN_VERBS
from neural.runs.admin.run_page.page import RunPageAdmin
from neural.runs.admin.runs_list.rows import COLUMNS, tries
from neural.runs.admin.runs_list.views import RunsList
from neural.runs.lookups import runs_begun, runs_by_id


@page(TaskRun)
class TaskRunAdmin(RunsList, RunPageAdmin, VerbsAdmin, HistoryAdmin):
    verbs = tuple(RUN_VERBS.values())
    list_display = COLUMNS
    from_outside = ("args", "kwargs", "result", "options")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Load what the links of a row need, but not an event's payload, which may be large."""
        queryset = super().get_queryset(request)
        return queryset.select_related("event", "store", "worker").defer("event__payload")

    setbacks = computed_column(_("setbacks"), lambda run: tries(run) or NOTHING)


def _begun_so(rows: QuerySet, text: str, user: Any) -> QuerySet:
    return rows.filter(pk__in=runs_begun(text, user)).values_list("pk", flat=True)


def _named_so(rows: QuerySet, text: str, user: Any) -> QuerySet:
    named = Q(pk__in=runs_by_id(text, user)) if text.startswith("#") else Q(task_id=text)
    return rows.filter(named).values_list("pk", flat=True)


register_look_up(
    LookUp(
        name="run",
        place=30,
        model=TaskRun,
        label=_("run"),
        find=_named_so,
        near=_begun_so,
        sentence=ngettext_lazy("%(count)s run begins so", "%(count)s runs begin so", "number"),
        moment="created_at",
    )
)
