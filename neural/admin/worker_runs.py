"""The section on a worker's page: what it works on, and what it worked on last.

No index covers the workers of runs that have ended. So these are looked for among the newest runs
alone; the list of runs finds older ones, page by page.
"""

from collections.abc import Mapping
from typing import Any

from django.forms import Media
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.panels import Panel, register_panel
from neural.models import RunState, TaskRun, WorkerProcess
from neural.models.run import TaskRunQuerySet
from neural.sites import address_if_there

MOST_HELD = 50
MOST_RECENT = 20
LOOKED_THROUGH = 5_000
"""How many of the newest runs are looked through for those of one worker."""


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
        media=Media(css={"all": ("neural/figures.css", "neural/run_page.css")}),
    )
)
