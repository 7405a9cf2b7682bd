"""The page of one run: the part of the admin of runs that shows and edits a single one."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from celery import current_app
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.admin.display import duration, instant, link_column, name_of, named_work
from neural.admin.scope import section
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.personal.redacting import for_user, masking_values_of
from neural.runs.acts import RETRY
from neural.runs.admin.run_page.contents import (
    around,
    blocks_of,
    documents_of,
    progress_of,
    values_of,
    written,
)
from neural.runs.admin.run_page.editing import EditingAdmin
from neural.runs.admin.run_page.timeline import timeline
from neural.runs.models.run import FINISHED_STATES
from neural.runs.shell_commands import call_command, retry_command, submit_command

OFTEN, RARELY = 3, 15
"""Seconds from one refreshing of an unfinished run's page to the next."""


class RunPageAdmin(EditingAdmin):
    """The page: what is wrong and what can be done first, then the course, then the rest."""

    fieldsets = (
        section(
            _("Facts"),
            "work_display",
            "task_id",
            link_column(TaskRun, "event"),
            link_column(TaskRun, "store"),
            ("queue", "priority"),
            ("requested_by", "unique_key"),
            "setbacks",
        ),
    )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """Django's page. Names in the run's arguments are masked in its errors, too, and in its
        panels."""
        run = kwargs.get("obj")
        if run is None:
            return super().render_change_form(request, context, *args, **kwargs)
        with masking_values_of(partial(documents_of, run)):
            return super().render_change_form(request, context, *args, **kwargs)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the run did, and what stands around it."""
        own = page_of_run(row, request) | {"title": name_of(row)}
        return super().row_context(request, row) | own

    @admin.display(description=_("work"))
    def work_display(self, run: TaskRun) -> Any:
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
        "last_failed": failed[-1] if failed else None,
        "progress": progress_of(run, user),
        "due": due_text(run.available_at, now) if is_waiting else "",
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


@dataclass(frozen=True)
class Command:
    """A command; ``name`` is the id of its text."""

    name: str
    title: Any
    text: str
    is_masked: bool = False
    """Whether personal data in it is masked: then it does not do the same work."""


def commands_for(run: TaskRun, user: Any) -> Sequence[Command]:
    """The commands for this run, with what the user may see of its content."""
    return [*_retry(run), *(_of_event(run, user) if run.event_id else _of_task(run, user))]


def _retry(run: TaskRun) -> Iterator[Command]:
    if RETRY.fits(run):
        yield Command("command-retry", _("Retry this run"), retry_command(run))


def _of_event(run: TaskRun, user: Any) -> Iterator[Command]:
    event: Any = run.event
    values = values_of(event, "payload")
    if values is None or values[0] is None or not user.has_perm("neural.view_neuralevent"):
        return
    visible = for_user(values[0], user)
    text = submit_command(event, payload=visible)
    title = _("Submit the same event elsewhere (here it changes nothing)")
    yield Command("command-submit", title, text, is_masked=visible != values[0])


def _of_task(run: TaskRun, user: Any) -> Iterator[Command]:
    values = values_of(run, "args", "kwargs")
    if values is None or {"argsrepr", "kwargsrepr"} & run.options.keys():
        return
    args, kwargs = visible = [for_user(each, user) for each in values]
    text = call_command(run, args=args, kwargs=kwargs, app=current_app.main)
    yield Command("command-call", _("Call the task anew"), text, is_masked=visible != values)


def from_now(moment: dt.datetime, now: dt.datetime) -> str:
    """'3 min 10 s ago', or 'in 40 s'."""
    if moment > now:
        return gettext("in %(duration)s") % {"duration": duration(moment - now)}
    return gettext("%(duration)s ago") % {"duration": duration(now - moment)}


def due_text(moment: dt.datetime, now: dt.datetime) -> SafeString:
    """A time with its zone, and how far it is from now."""
    zone = timezone.get_current_timezone_name()
    return format_html("{} {} · {}", instant(moment), zone, from_now(moment, now))
