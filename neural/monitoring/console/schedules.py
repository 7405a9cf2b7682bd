"""The page of schedules: what is due when, how it went last, whether beat lives, and run now."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_celery_beat.models import PeriodicTask

from neural.admin.actions import Verb, do_with_reason, refusal
from neural.admin.display import page_address
from neural.admin.guards import address, nul_refused
from neural.admin.pages import page
from neural.admin.panels import add_panels
from neural.admin.scope import ReadOnlyAdmin
from neural.kit.sites import address_in_admin
from neural.kit.thresholds import thresholds_of
from neural.ledger.clock import database_clock
from neural.models import SchedulePolicy, TaskRun, WorkerProcess
from neural.models.store import sees_every_store
from neural.monitoring.console.page import page_context, visible_runs
from neural.schedules.admin.schedules import (
    DISABLE,
    ENABLE,
    may_run,
    report_runs,
    run_each,
)
from neural.schedules.runs import prefix_of, runs_of
from neural.schedules.state import (
    ScheduleState,
    all_schedules,
    nightly,
    overdue,
    schedule_states,
)
from neural.schedules.switches import off_schedules

VIEW = ("django_celery_beat.view_periodictask", "django_celery_beat.change_periodictask")
SWITCHES = {verb.name: verb for verb in (ENABLE, DISABLE)}
OF_A_SCHEDULE = re.compile(r"[0-9]{1,9}")
SHOWN = 50
HISTORY_SHOWN = 50
NIGHTLY_SHOWN = 10
HISTORY_LOOKED_THROUGH = 1000
"""Among how many of a schedule's newest runs those are looked for that the user may see."""


def nightly_work(user: Any) -> Sequence[ScheduleState]:
    """The schedules that come about once a day or more rarely, for the home. Empty for who may see
    no schedule."""
    if not _may_view(user):
        return ()
    now = database_clock()
    keys = nightly(now, most=NIGHTLY_SHOWN)
    found = schedule_states(all_schedules().filter(pk__in=keys), now=now, runs=visible_runs(user))
    return sorted(found, key=lambda each: keys.index(each.schedule.pk))


def address_of(schedule_id: int) -> str:
    """The page of one schedule's history."""
    return address_in_admin("neural_schedulepolicy_change", schedule_id)


def _may_view(user: Any) -> bool:
    return any(map(user.has_perm, VIEW))


@page(SchedulePolicy)
class SchedulesPage(ReadOnlyAdmin):
    """A page in place of the list of policies, which the form of each schedule holds."""

    answers_anything = True
    exported = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_view(request.user)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The schedules that are asked for; the answer for htmx is the part that changes."""
        self._must_view(request)
        asked = {key: request.GET[key] for key in ("after", "name", "off") if request.GET.get(key)}
        if "\0" in "".join(asked.values()):
            return nul_refused()
        now, runs = database_clock(), visible_runs(request.user)
        rows = schedule_states(_chosen(asked, now)[: SHOWN + 1], now=now, runs=runs)
        later = {**asked, "after": rows[SHOWN - 1].name} if len(rows) > SHOWN else {}
        context = {
            **self._context(request, title=_("Schedules")),
            "rows": rows[:SHOWN],
            "overdue": overdue(now),
            "query": urlencode(asked),
            "next_query": urlencode(later),
            **(extra_context or {}),
        }
        is_part = request.headers.get("HX-Request") == "true"
        template = "schedules_table.html" if is_part else "schedules.html"
        return TemplateResponse(request, f"neural/monitoring/{template}", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One schedule: its next times and its newest runs. ``object_id`` is the schedule's."""
        self._must_view(request)
        if request.method == "POST":
            raise PermissionDenied
        if not OF_A_SCHEDULE.fullmatch(object_id):
            raise Http404
        row = all_schedules().filter(pk=object_id)
        rows = schedule_states(row, now=database_clock(), runs=visible_runs(request.user))
        if not rows:
            raise Http404
        context: dict[str, Any] = {
            **self._context(request, title=rows[0].name),
            "row": rows[0],
            "runs": _history(rows[0].schedule.pk, request.user),
            "form_address": page_address(rows[0].schedule),
            **(extra_context or {}),
        }
        add_panels(context, request, rows[0].schedule)
        return TemplateResponse(request, "neural/monitoring/schedule.html", context)

    @address("<int:number>/run/", "_run", require_POST)
    def run_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Run a schedule now, in the user's name."""
        self._must_view(request)
        if not may_run(request.user):
            raise PermissionDenied(_("Run now needs a permission that you do not have."))
        schedule = get_object_or_404(PeriodicTask, pk=number)
        report_runs(self, request, run_each(request.user, [schedule]))
        return self._back(request)

    @address("<int:number>/switch/<slug:verb>/", "_switch", require_POST)
    def switch_view(self, request: HttpRequest, number: int, verb: str) -> HttpResponse:
        """Switch a schedule on or off."""
        self._must_view(request)
        found = SWITCHES.get(verb)
        if found is None or not _may_switch(request.user, found):
            raise PermissionDenied(refusal(found) if found else "")
        schedule = get_object_or_404(PeriodicTask, pk=number)
        do_with_reason(self, request, found, [schedule])
        return self._back(request)

    def _must_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _back(self, request: HttpRequest) -> HttpResponse:
        """To the page of one schedule if the form stood there, else to that of all."""
        one = request.POST.get("from", "")
        here = address_of(int(one)) if OF_A_SCHEDULE.fullmatch(one) else _address_of_all()
        return HttpResponseRedirect(here)

    def _context(self, request: HttpRequest, *, title: Any) -> dict[str, Any]:
        return {
            **page_context(self, request, title=title),
            "page_address": _address_of_all(),
            "beats": _beats(),
            "may_run": may_run(request.user),
            "may_switch": _may_switch(request.user, ENABLE),
        }


def _chosen(asked: Mapping[str, str], now: dt.datetime) -> QuerySet[PeriodicTask]:
    """All schedules after a name, the one of a name, or those that are switched off."""
    found = all_schedules().filter(name__gt=asked.get("after", ""))
    if "name" in asked:
        found = found.filter(name=asked["name"])
    if "off" in asked:
        found = found.filter(pk__in=off_schedules(now).values("pk"))
    return found


def _address_of_all() -> str:
    return address_in_admin("neural_schedulepolicy_changelist")


def _may_switch(user: Any, verb: Verb) -> bool:
    return verb.is_permitted(user) and sees_every_store(user)


def _beats() -> Sequence[WorkerProcess]:
    """The beats that are present, with how long they have been silent; else the last that was."""
    beats = WorkerProcess.objects.beats().annotate(database_now=Now())
    found = list(beats.present().order_by("name")[:10]) or list(beats.order_by("-pk")[:1])
    most = thresholds_of("beat_silent")["beat_silent_seconds"]
    for each in found:
        each.silent_for = each.database_now - each.heartbeat_at
        is_heard = each.silent_for.total_seconds() <= most
        each.lives = is_heard and not each.stopped_at and not each.lost_at
    return sorted(found, key=lambda each: not each.lives)


def _history(schedule_id: int, user: Any) -> Sequence[TaskRun]:
    """The newest runs of a schedule, of those that this user may see."""
    newest = runs_of(schedule_id).values_list("pk", flat=True)[:HISTORY_LOOKED_THROUGH]
    runs = visible_runs(user).filter(pk__in=list(newest)).order_by("-task_id")
    found = list(runs.defer("args", "kwargs", "result")[:HISTORY_SHOWN])
    for run in found:
        run.due_at = _due_time(run.task_id.removeprefix(prefix_of(schedule_id)))
    return found


def _due_time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text.partition("Z")[0]).replace(tzinfo=dt.UTC)
    except ValueError:
        return None
