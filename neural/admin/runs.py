"""The admin's pages of runs, with their attempts and actions."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.admin import audit
from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    duration,
    instant_column,
    json_column,
    link_column,
    one_line,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import HandlerFilter, QueueFilter, RunStateFilter, StoreFilter, TaskFilter
from neural.admin.pages import page
from neural.admin.planning import by_store
from neural.admin.scope import HistoryAdmin
from neural.keyset.walks import Walk
from neural.ledger.history import attempts_of
from neural.models import RunState, TaskRun
from neural.models.run import SET_ASIDE_STATES

PENDING, RUNNING = RunState.PENDING, RunState.RUNNING
SET_ASIDE = Q(state__in=SET_ASIDE_STATES)
URGENCY = ("queue", "-priority", "available_at")

RETRY = Verb(
    name="retry",
    label=_("Retry"),
    explanation=_("Retry: run dead, cancelled or discarded runs again"),
    permission="neural.retry_taskrun",
    apply=lambda run, user: run.retry(),
    fits=lambda run: run.state in SET_ASIDE_STATES,
    change=lambda run: audit.RETRIED.get(run.state, audit.RETRIED["dead"]),
)
HURRY = Verb(
    name="hurry",
    label=_("Retry now"),
    explanation=_("Retry now: start waiting runs at once"),
    permission="neural.hurry_taskrun",
    apply=lambda run, user: run.hurry(),
    fits=lambda run: run.state == RunState.PENDING,
    change=lambda run: audit.HURRIED,
)
CANCEL = Verb(
    name="cancel",
    label=_("Cancel"),
    explanation=_("Cancel: withdraw waiting runs"),
    permission="neural.cancel_taskrun",
    apply=lambda run, user: run.cancel(),
    fits=lambda run: run.state == RunState.PENDING,
    change=lambda run: audit.CANCELLED,
)
DISCARD = Verb(
    name="discard",
    label=_("Discard"),
    explanation=_("Discard: decide that dead runs stay undone"),
    permission="neural.discard_taskrun",
    apply=lambda run, user: run.discard(),
    fits=lambda run: run.state == RunState.DEAD,
    change=lambda run: audit.DISCARDED,
)


@page(TaskRun)
class TaskRunAdmin(VerbsAdmin, HistoryAdmin):
    verbs = (RETRY, HURRY, CANCEL, DISCARD)
    list_display = (
        "work",
        "state_and_error",
        link_column(TaskRun, "event"),
        store_code_column(TaskRun),
        "queue_and_priority",
        short_instant_column(TaskRun, "available_at"),
        short_instant_column(TaskRun, "started_at"),
        "took",
    )
    list_filter = (RunStateFilter, QueueFilter, StoreFilter, HandlerFilter, TaskFilter)
    from_outside = ("args", "kwargs", "result", "options")
    walks = (
        Walk(parameter="state", column="state", values=SET_ASIDE_STATES, condition=SET_ASIDE),
        Walk(parameter="state", order=("worker",), values=(RUNNING,), condition=Q(state=RUNNING)),
        Walk(parameter="state", order=URGENCY, values=(PENDING,), condition=Q(state=PENDING)),
        by_store(condition=Q(store__isnull=False)),
        Walk(parameter="handler", column="handler", condition=~Q(handler="")),
        Walk(parameter="task", column="task", condition=Q(event__isnull=True)),
    )
    search_keys = ("task_id", "event__event_id", "store")
    search_help_text = _("A whole task id, event id or store code.")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "state_badge",
                    "work",
                    "task_id",
                    link_column(TaskRun, "event"),
                    link_column(TaskRun, "store"),
                    ("queue", "priority"),
                    ("requested_by", "unique_key"),
                    "setbacks",
                    "last_error_in_full",
                )
            },
        ),
        (
            _("Times"),
            {
                "fields": (
                    (
                        instant_column(TaskRun, "created_at"),
                        instant_column(TaskRun, "available_at"),
                    ),
                    (
                        instant_column(TaskRun, "started_at"),
                        instant_column(TaskRun, "finished_at"),
                    ),
                    ("waited", "took"),
                )
            },
        ),
        (
            _("Arguments and result"),
            {
                "fields": (
                    json_column(TaskRun, "args"),
                    json_column(TaskRun, "kwargs"),
                    json_column(TaskRun, "result"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Load what the links of a row need, but not an event's payload, which may be large."""
        queryset = super().get_queryset(request)
        return queryset.select_related("event", "store", "worker").defer("event__payload")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        run = kwargs.get("obj")
        if run is not None:
            context["attempts"] = attempts_of(run)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("work"))
    def work(self, run: TaskRun) -> str:
        return run.work_name

    @admin.display(description=_("state"))
    def state_badge(self, run: TaskRun) -> SafeString:
        return badge(run.state, run.get_state_display())

    @admin.display(description=_("state"))
    def state_and_error(self, run: TaskRun) -> SafeString:
        """The state's badge, with the error below it if there is one."""
        shown = self.state_badge(run)
        if run.failures or run.losses:
            shown = format_html("{} {}", shown, self.setbacks(run))
        if run.error:
            shown = format_html(
                '{}<br><small class="neural-error">{}</small>', shown, one_line(run.error)
            )
        return shown

    @admin.display(description=_("queue"))
    def queue_and_priority(self, run: TaskRun) -> str:
        return f"{run.queue} · {run.priority}"

    @admin.display(description=_("waited"))
    def waited(self, run: TaskRun) -> str:
        return duration(run.wait)

    @admin.display(description=_("duration"))
    def took(self, run: TaskRun) -> str:
        return duration(run.duration)

    @admin.display(description=_("setbacks"))
    def setbacks(self, run: TaskRun) -> str:
        """The numbers of failed attempts and of lost deliveries; empty if there are none."""
        parts = []
        if run.failures:
            parts.append(gettext("%(count)d failed") % {"count": run.failures})
        if run.losses:
            parts.append(gettext("%(count)d lost") % {"count": run.losses})
        return ", ".join(parts) or NOTHING

    @admin.display(description=_("last error"))
    def last_error_in_full(self, run: TaskRun) -> str:
        return run.error or NOTHING
