"""The page of workers, in place of their list: who works on what, and who is gone."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from neural.admin.pages import page
from neural.kit.conf import conf
from neural.ledger.clock import database_clock
from neural.models import ProcessKind, TaskRun, WorkerProcess
from neural.monitoring.console.page import page_context, visible_runs
from neural.worker.admin import STOP, WorkerProcessAdmin, may_be_asked_to_stop

MOST_PRESENT = 200
MOST_GONE = 20
MOST_RUNS = 1000
"""The most runs under way that are read."""
SHOWN_RUNS = 5
GONE_DAYS = 7

if admin.site.is_registered(WorkerProcess):
    admin.site.unregister(WorkerProcess)


@page(WorkerProcess)
class WorkersAdmin(WorkerProcessAdmin):
    """The core's pages of workers, with the console's page first.

    The list of all workers ever is at the same address with a search (``?q=``).
    """

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the tables alone, which refresh by themselves."""
        if request.GET or request.method == "POST":
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = database_clock()
        context = page_context(
            self,
            request,
            title=_("Workers"),
            present=present(request.user, now),
            gone=gone(request.user, now),
            may_stop=STOP.is_permitted(request.user),
            gone_days=GONE_DAYS,
        )
        context["media"] += Media(css={"all": ("neural/console-queues.css",)})
        is_part = request.headers.get("HX-Request") == "true"
        name = "workers_tables.html" if is_part else "workers.html"
        return TemplateResponse(
            request, f"neural/monitoring/{name}", context | (extra_context or {})
        )


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """A process, and the runs on which it works now as far as the user may see them."""

    process: WorkerProcess
    heard_of: dt.timedelta
    """How long ago its last heartbeat was."""
    runs: Sequence[TaskRun] = ()
    more_runs: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether a relay will soon declare it lost."""
        return self.heard_of.total_seconds() > conf().worker_lost_seconds

    @property
    def may_be_stopped(self) -> bool:
        """Whether asking it to stop would change anything."""
        return may_be_asked_to_stop(self.process)


def present(user: Any, now: dt.datetime) -> list[WorkerFacts]:
    """The processes that live: workers, then relays and beat."""
    order = ProcessKind.values
    found = WorkerProcess.objects.present().order_by("name", "pk")[:MOST_PRESENT]
    return _with_runs(sorted(found, key=lambda each: order.index(each.kind)), user, now)


def gone(user: Any, now: dt.datetime) -> list[WorkerFacts]:
    """The processes that stopped or were lost in the last days, the newest first."""
    since = now - dt.timedelta(days=GONE_DAYS)
    ended = Q(stopped_at__gte=since) | Q(lost_at__gte=since)
    found = WorkerProcess.objects.filter(ended).order_by("-pk")[:MOST_GONE]
    return _with_runs(list(found), user, now)


def _with_runs(
    processes: Sequence[WorkerProcess], user: Any, now: dt.datetime
) -> list[WorkerFacts]:
    by_worker: dict[int | None, list[TaskRun]] = defaultdict(list)
    for run in _runs_of(processes, user)[:MOST_RUNS]:
        by_worker[run.worker_id].append(run)
    return [_facts(each, by_worker[each.pk], now) for each in processes]


def _runs_of(processes: Sequence[WorkerProcess], user: Any) -> "QuerySet[TaskRun]":
    columns = ("pk", "task", "handler", "task_id", "worker_id", "store_id", "started_at")
    held = visible_runs(user).running().filter(worker__in=[each.pk for each in processes])
    return held.only(*columns).order_by("worker", "started_at")


def _facts(process: WorkerProcess, runs: Sequence[TaskRun], now: dt.datetime) -> WorkerFacts:
    return WorkerFacts(
        process=process,
        heard_of=max(now - process.heartbeat_at, dt.timedelta()),
        runs=runs[:SHOWN_RUNS],
        more_runs=max(len(runs) - SHOWN_RUNS, 0),
    )
