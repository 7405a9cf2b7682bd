"""The page of one run: the part of the admin of runs that shows and edits a single one."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.forms import Media
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from neural.admin.display import link_column, name_of, named_work
from neural.admin.panels import HTMX
from neural.admin.run_edit.views import EditingAdmin
from neural.admin.run_page.around import around, written
from neural.admin.run_page.contents import blocks_of, documents_of
from neural.admin.run_page.copying import commands_for
from neural.admin.run_page.timeline import timeline
from neural.admin.run_page.times import told
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.models.run import FINISHED_STATES
from neural.personal.redacting import for_user, masking_values_of

OFTEN, RARELY = 3, 15
"""Seconds from one refreshing of an unfinished run's page to the next."""
MEDIA = Media(css={"all": ("neural/run_page.css",)}, js=("neural/run_page.js",))


class RunPageAdmin(EditingAdmin):
    """The page: what is wrong and what can be done first, then the course, then the rest."""

    fieldsets = (
        (
            _("Facts"),
            {
                "fields": (
                    "work_shown",
                    "task_id",
                    link_column(TaskRun, "event"),
                    link_column(TaskRun, "store"),
                    ("queue", "priority"),
                    ("requested_by", "unique_key"),
                    "setbacks",
                )
            },
        ),
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """Django's page; while the run is not finished, it refreshes its upper part by itself.
        Names in its arguments are masked in its errors, too, and in its panels."""
        run = kwargs.get("obj")
        if run is None:
            return super().render_change_form(request, context, *args, **kwargs)
        with masking_values_of(partial(documents_of, run)):
            response = super().render_change_form(request, context, *args, **kwargs)
            context |= page_of_run(run, request) | {"subtitle": name_of(run)}
        context["media"] += MEDIA + HTMX if context["refresh_seconds"] else MEDIA
        context["has_live_panel"] |= bool(context["refresh_seconds"])
        return response

    @admin.display(description=_("work"))
    def work_shown(self, run: TaskRun) -> Any:
        """The title of what it does, with the name that the ledger has."""
        return named_work(run.work_name)


def page_of_run(run: TaskRun, request: HttpRequest) -> dict[str, Any]:
    """The context of the template."""
    user, now = request.user, database_clock()
    steps = timeline(run, user, now)
    failed = [step for step in steps if step.traceback]
    rows = written(run, user)
    is_waiting = run.state == RunState.PENDING
    return {
        "run": run,
        "takes_first": True,
        "zone": timezone.get_current_timezone_name(),
        "error": for_user(run.error, user),
        "last_traceback": failed[-1].traceback if failed else "",
        "due": told(run.available_at, now) if is_waiting else "",
        "steps": steps,
        "refresh_seconds": _refresh_seconds(run, now),
        "blocks": blocks_of(run, user),
        "around": around(run, user),
        "written": rows,
        "wrote_them": run.state == RunState.SUCCEEDED and all(each.by_run for each in rows),
        "commands": commands_for(run, user),
    }


def _refresh_seconds(run: TaskRun, now: Any) -> int:
    """0 for a run that has ended."""
    if run.state in FINISHED_STATES:
        return 0
    is_near = (run.available_at - now).total_seconds() < 60
    return OFTEN if run.state == RunState.RUNNING or is_near else RARELY
