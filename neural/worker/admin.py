"""The admin's pages of worker processes: the button that stops one softly, and its runs."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.forms import Media
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import NOTHING, badge, computed_column, duration, instant_column, of_bytes
from neural.admin.pages import page
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import ReadOnlyAdmin
from neural.kit.conf import conf
from neural.kit.sites import address_if_there
from neural.models import ProcessKind, RunState, TaskRun, WorkerProcess
from neural.runs.models.run import TaskRunQuerySet

SAME_TIME_SECONDS = 1
MOST_HELD = 50
MOST_RECENT = 20
LOOKED_THROUGH = 5_000
"""How many of the newest runs are looked through for those of one worker."""


def may_be_asked_to_stop(worker: WorkerProcess) -> bool:
    """Whether it is present, was not asked before, and would see it."""
    is_present = worker.stopped_at is None and worker.lost_at is None
    return is_present and worker.stop_asked_at is None and worker.kind != ProcessKind.BEAT


def _stop_message(worker: WorkerProcess) -> tuple[int, str]:
    about = {
        "worker": worker.name,
        "span": duration(dt.timedelta(seconds=conf().heartbeat_seconds)),
    }
    text = gettext(
        "%(worker)s stops within %(span)s, once its runs have finished or are handed back. Its "
        "supervisor may start it again."
    )
    return messages.SUCCESS, text % about


STOP = Verb(
    name="stop",
    label=_("Stop softly"),
    explanation=_("Stop softly: let it finish or hand back its runs, and end"),
    permission="neural.stop_workerprocess",
    apply=lambda worker, user: worker.ask_to_stop(by=user.get_username()),
    fits=may_be_asked_to_stop,
    change=gettext_noop("asked to stop: yes (stop softly)"),
    message_for=_stop_message,
    whole_chain=True,
)


@page(WorkerProcess)
class WorkerProcessAdmin(VerbsAdmin, ReadOnlyAdmin):
    """Workers belong to no store, and these pages show nothing of a store's rows."""

    verbs = (STOP,)
    list_display = (
        "name",
        "kind",
        "standing",
        "heartbeat_age",
        "queue_names",
        "concurrency",
        "host",
        "process_id",
        instant_column(WorkerProcess, "started_at"),
    )
    search_keys = ("name", "host")
    search_help_text = _("A whole name or host.")
    fields = (
        *list_display[:-1],
        "memory",
        "version_names",
        instant_column(WorkerProcess, "started_at"),
        instant_column(WorkerProcess, "heartbeat_at"),
        instant_column(WorkerProcess, "stopped_at"),
        instant_column(WorkerProcess, "lost_at"),
        "recovered_runs",
        instant_column(WorkerProcess, "stop_asked_at"),
        "stop_asked_by",
        "clock_skew",
        "handlers",
        "tasks",
        "event_types",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Add the database's clock, by which heartbeats are written."""
        return super().get_queryset(request).annotate(database_now=Now())

    @admin.display(description=_("state"))
    def standing(self, worker: WorkerProcess) -> SafeString:
        if worker.stopped_at:
            return badge("stopped", _("stopped"))
        if worker.lost_at:
            return badge("lost", _("lost"))
        if worker.stop_asked_at:
            return badge("expected", _("asked to stop"))
        return badge("present", _("present"))

    @admin.display(description=_("last heartbeat"))
    def heartbeat_age(self, worker: Any) -> str:
        age: dt.timedelta = worker.database_now - worker.heartbeat_at
        return str(_("%(duration)s ago") % {"duration": duration(age)})

    queue_names = computed_column(_("queues"), lambda worker: ", ".join(worker.queues))

    @admin.display(description=_("memory"))
    def memory(self, worker: WorkerProcess) -> str:
        return NOTHING if worker.memory_bytes is None else of_bytes(worker.memory_bytes)

    @admin.display(description=_("versions"))
    def version_names(self, worker: WorkerProcess) -> str:
        return ", ".join(f"{name} {text}" for name, text in (worker.versions or {}).items())

    @admin.display(description=_("clock"))
    def clock_skew(self, worker: WorkerProcess) -> str:
        """The difference of the clocks at the last heartbeat."""
        if worker.clock_ahead is None:
            return NOTHING
        seconds = worker.clock_ahead.total_seconds()
        if abs(seconds) < SAME_TIME_SECONDS:
            return str(_("as the database's"))
        ahead, behind = _("%(span)s ahead of the database"), _("%(span)s behind the database")
        return str((ahead if seconds > 0 else behind) % {"span": duration(abs(worker.clock_ahead))})

    handlers = computed_column(_("handlers"), lambda worker: _names(worker, "handlers"))

    tasks = computed_column(_("tasks"), lambda worker: _names(worker, "tasks"))

    event_types = computed_column(_("event types"), lambda worker: _names(worker, "event_types"))


def _names(worker: WorkerProcess, what: str) -> str:
    """What a worker has registered; unknown for a worker of an older version."""
    return ", ".join((worker.registered or {}).get(what, ())) or NOTHING


def _context(request: HttpRequest, worker: WorkerProcess) -> Mapping[str, Any] | None:
    user = request.user
    if not user.has_perm("neural.view_taskrun"):
        return None
    runs = _runs(user)
    held = runs.running().filter(worker=worker.pk).order_by("started_at")
    return {
        "held": held[:MOST_HELD],
        "recent": _recent(runs, worker),
        "looked_through": LOOKED_THROUGH,
        "list_address": _list_address(worker),
    }


def _runs(user: Any) -> TaskRunQuerySet:
    runs: Any = TaskRun.objects.for_user(user)
    large = ("args", "kwargs", "result", "options")
    found: TaskRunQuerySet = runs.select_related("store").defer(*large)
    return found


def _recent(runs: TaskRunQuerySet, worker: WorkerProcess) -> TaskRunQuerySet:
    newest = TaskRun.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    near = runs.filter(pk__gt=newest - LOOKED_THROUGH, worker=worker.pk)
    return near.exclude(state=RunState.RUNNING).order_by("-pk")[:MOST_RECENT]


def _list_address(worker: WorkerProcess) -> str:
    """The list of runs, filtered by this worker; empty if the site has none."""
    address = address_if_there("neural_taskrun_changelist")
    return f"{address}?worker={worker.pk}" if address else ""


register_panel(
    Panel(
        name="runs",
        model=WorkerProcess,
        title=_("Runs"),
        template="neural/run/of_worker.html",
        context=_context,
        media=Media(css={"all": ("neural/figures.css",)}),
    )
)
