"""django-celery-beat's pages of schedules, with permissions and an audit log.

Its own actions ask for no permission and leave no entry: anyone who may view schedules may stop
and run them. The actions are replaced in django-celery-beat's own classes, so this holds on every
site and in every subclass. A schedule concerns the whole chain, so a user who does not see every
store may change none.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from celery import current_app
from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_celery_beat.admin import PeriodicTaskAdmin, ScheduleAdmin
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from neural.admin.actions import Verb, act_on_selection
from neural.admin.audit import recording as audit
from neural.admin.audit.recording import audited
from neural.admin.audit.titles import register_titles_of_rows
from neural.admin.forms import ActionFormWithReason, reason_in
from neural.admin.guards import refuses_nul
from neural.admin.records.schedule_forms import mend_pages
from neural.admin.scope import changed_for_the_whole_chain
from neural.audit import action_of
from neural.celeryapp.schedule_runs import run_now
from neural.models.store import sees_every_store

logger = logging.getLogger(__name__)

RUN_SCHEDULE = "neural.run_schedule"
RUN_ACT = "run"
CHANGE = "django_celery_beat.change_periodictask"


def _switch(schedule: Any, *, on: bool) -> bool:
    """Switch a schedule as django-celery-beat does: switching off clears its last run's time."""
    forgotten = {} if on else {"last_run_at": None}
    same = type(schedule)._default_manager.filter(pk=schedule.pk, enabled=not on)
    changed = same.update(enabled=on, **forgotten)
    PeriodicTasks.update_changed()
    return bool(changed)


ENABLE = Verb(
    name="enable_tasks",
    label=gettext_lazy("Switch on"),
    explanation=gettext_lazy("Switch on: the chosen schedules run from now on"),
    permission=CHANGE,
    apply=lambda schedule, user: _switch(schedule, on=True),
    fits=lambda schedule: not schedule.enabled,
    change=lambda schedule: audit.SWITCHED_ON,
)
DISABLE = Verb(
    name="disable_tasks",
    label=gettext_lazy("Switch off"),
    explanation=gettext_lazy("Switch off: the chosen schedules run no more"),
    permission=CHANGE,
    apply=lambda schedule, user: _switch(schedule, on=False),
    fits=lambda schedule: schedule.enabled,
    change=lambda schedule: audit.SWITCHED_OFF,
    needs_reason=True,
)
TOGGLE = Verb(
    name="toggle_tasks",
    label=gettext_lazy("Switch over"),
    explanation=gettext_lazy("Switch over: those that are on go off, those that are off go on"),
    permission=CHANGE,
    apply=lambda schedule, user: _switch(schedule, on=not schedule.enabled),
    fits=lambda schedule: True,
    change=lambda schedule: audit.SWITCHED_OFF if schedule.enabled else audit.SWITCHED_ON,
    needs_reason=True,
)


def _action_of(verb: Verb) -> Any:
    @admin.action(description=verb.explanation, permissions=["change"])
    def action(model_admin: Any, request: HttpRequest, queryset: QuerySet) -> None:
        act_on_selection(model_admin, request, queryset, verb=verb)

    action.__name__ = verb.name
    return action


@admin.action(
    description=gettext_lazy("Run now: ask for one run of each chosen schedule, in your name"),
    permissions=["run"],
)
def run_tasks(model_admin: Any, request: HttpRequest, queryset: QuerySet) -> None:
    """Run each schedule once; if one is refused, the others still run."""
    asked = run_each(request.user, queryset.order_by("pk"), reason_in(request))
    tell_of_runs(model_admin, request, asked)


@dataclass(frozen=True)
class RunsAsked:
    """What became of a request to run schedules now."""

    task_ids: Sequence[str]
    refused: Sequence[tuple[Any, Exception]]
    """The schedules that could not be run, and why."""


def run_each(user: Any, schedules: Iterable[Any], reason: str = "") -> RunsAsked:
    """Run each schedule once in the user's name, with an audit entry for each that was run."""
    current_app.loader.import_default_modules()
    asked, refused = [], []
    for schedule in schedules:
        try:
            with transaction.atomic():
                audit.log_changes(
                    user=user,
                    rows=[schedule],
                    change=audit.SCHEDULE_RUN,
                    action=RUN_ACT,
                    reason=reason,
                )
                asked.append(run_now(schedule, user.get_username()))
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # what beat would log: arguments, queue, a broker that is away
            logger.exception("event=schedule_refused schedule=%r", schedule.name)
            refused.append((schedule, error))
    return RunsAsked(asked, refused)


def tell_of_runs(model_admin: Any, request: HttpRequest, told: RunsAsked) -> None:
    """Tell the user what became of the request."""
    for schedule, error in told.refused:
        said = {"name": schedule.name, "reason": error}
        text = _("%(name)s was not run: %(reason)s") % said
        model_admin.message_user(request, text, messages.ERROR)
    if asked := len(told.task_ids):
        text = ngettext("%(count)d run asked for.", "%(count)d runs asked for.", asked)
        model_admin.message_user(request, text % {"count": asked}, messages.SUCCESS)


def has_run_permission(model_admin: Any, request: HttpRequest) -> bool:
    """Django calls this before it offers ``run_tasks`` and before it runs it."""
    user = request.user
    return user.has_perm(RUN_SCHEDULE) and sees_every_store(user)


def _logs_what_falls_with_it(self: Any, request: HttpRequest, queryset: QuerySet) -> Any:
    """Django's entries of what is deleted, and one for each schedule that is deleted with it."""
    for row in queryset:
        fallen = row.periodictask_set.order_by("pk")
        LogEntry.objects.log_actions(cast("int", request.user.pk), fallen, DELETION)
        if rows := list(fallen):
            code, names = action_of(PeriodicTask, "delete"), [str(each) for each in rows]
            audit.acted(user=request.user, action=code, rows=rows, details={"names": names})
    return admin.ModelAdmin.log_deletions(self, request, queryset)


def guard() -> None:
    """Put the functions above, and the form, into django-celery-beat's classes."""
    for verb in (ENABLE, DISABLE, TOGGLE):
        setattr(PeriodicTaskAdmin, verb.name, _action_of(verb))
    PeriodicTaskAdmin.run_tasks = run_tasks
    PeriodicTaskAdmin.has_run_permission = has_run_permission
    PeriodicTaskAdmin.action_form = ActionFormWithReason
    ScheduleAdmin.log_deletions = _logs_what_falls_with_it
    for model_admin in (PeriodicTaskAdmin, ScheduleAdmin):
        refuses_nul(model_admin)
        changed_for_the_whole_chain(model_admin)
        audited(model_admin)
    mend_pages()
    verbs = [(each.name, each.label) for each in (ENABLE, DISABLE, TOGGLE)]
    register_titles_of_rows(PeriodicTask, [*verbs, (RUN_ACT, gettext_lazy("Run now"))])


guard()
