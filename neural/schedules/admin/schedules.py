"""django-celery-beat's pages of schedules, with permissions, an audit log, and our form.

Its own actions ask for no permission and leave no entry: anyone who may view schedules may stop
and run them. So its pages are registered anew, by classes derived from its own, on the default site
and for ``neural.admin.register``. A project with pages of its own derives them from
:class:`SchedulesAdmin`. A schedule concerns the whole chain, so a user who does not see every store
may change none.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Model, QuerySet
from django.forms import Media
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django_celery_beat.admin import (
    ClockedScheduleAdmin,
    CrontabScheduleAdmin,
    IntervalScheduleAdmin,
    PeriodicTaskAdmin,
    SolarScheduleAdmin,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)

from neural.admin.actions import Verb, act_on_selection
from neural.admin.display import computed_column, instant_column, short_instant_column
from neural.admin.forms import ActionFormWithReason, reason_in
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import CHANGES, NeuralAdmin, section
from neural.audit import action_of, record_user
from neural.audit.titles import register_titles_of_rows
from neural.kit.tasks import load_tasks
from neural.models.store import sees_every_store
from neural.schedules.admin.schedule_forms import POLICY, ScheduleForm, policy_of
from neural.schedules.models import DEFAULT_GRACE_SECONDS
from neural.schedules.rhythms import crontab_in_words, rhythm_of
from neural.schedules.runs import run_now
from neural.schedules.switches import switched_off

logger = logging.getLogger(__name__)

RUN_SCHEDULE = "neural.run_schedule"
RUN_ACT = "run"
CHANGE = "django_celery_beat.change_periodictask"
SWITCHED_ON = gettext_noop("state: off → on (switch on)")
SWITCHED_OFF = gettext_noop("state: on → off (switch off)")


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
    change=SWITCHED_ON,
)
DISABLE = Verb(
    name="disable_tasks",
    label=gettext_lazy("Switch off"),
    explanation=gettext_lazy("Switch off: the chosen schedules run no more"),
    permission=CHANGE,
    apply=lambda schedule, user: _switch(schedule, on=False),
    fits=lambda schedule: schedule.enabled,
    change=SWITCHED_OFF,
    needs_reason=lambda schedule: True,
)
TOGGLE = Verb(
    name="toggle_tasks",
    label=gettext_lazy("Switch over"),
    explanation=gettext_lazy("Switch over: those that are on go off, those that are off go on"),
    permission=CHANGE,
    apply=lambda schedule, user: _switch(schedule, on=not schedule.enabled),
    fits=lambda schedule: True,
    change=lambda schedule: SWITCHED_OFF if schedule.enabled else SWITCHED_ON,
    needs_reason=lambda schedule: True,
)


def _action_of(verb: Verb) -> Any:
    @admin.action(description=verb.explanation, permissions=["change"])
    def action(model_admin: Any, request: HttpRequest, queryset: QuerySet) -> None:
        act_on_selection(model_admin, request, queryset, verb=verb)

    action.__name__ = verb.name
    return action


@dataclass(frozen=True)
class RunsAsked:
    """What became of a request to run schedules now."""

    task_ids: Sequence[str]
    refused: Sequence[tuple[Any, Exception]]
    """The schedules that could not be run, and why."""


def run_each(user: Any, schedules: Iterable[Any], reason: str = "") -> RunsAsked:
    """Run each schedule once in the user's name, with an audit entry for each that was run."""
    load_tasks()
    asked, refused = [], []
    for schedule in schedules:
        try:
            with transaction.atomic():
                log_changes(
                    user=user,
                    rows=[schedule],
                    change=gettext_noop("runs: one more (run now)"),
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


def report_runs(model_admin: Any, request: HttpRequest, asked: RunsAsked) -> None:
    """Tell the user what became of the request."""
    for schedule, error in asked.refused:
        text = _("%(name)s was not run: %(reason)s") % {"name": schedule.name, "reason": error}
        model_admin.message_user(request, text, messages.ERROR)
    if count := len(asked.task_ids):
        text = ngettext("%(count)d run asked for.", "%(count)d runs asked for.", count)
        model_admin.message_user(request, text % {"count": count}, messages.SUCCESS)


def may_run(user: Any) -> bool:
    """Whether this user may run schedules now."""
    return user.has_perm(RUN_SCHEDULE) and sees_every_store(user)


class BeatAdmin(NeuralAdmin):
    """What all of django-celery-beat's pages have of ours."""

    exported = False
    whole_chain = CHANGES

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Django's form field; the two inputs of a time each say what they are."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(field, "widget", None)
        if isinstance(widget, AdminSplitDateTime):
            names = (gettext_lazy("date"), gettext_lazy("time"))
            for part, name in zip(widget.widgets, names, strict=True):
                part.attrs["aria-label"] = f"{field.label}: {name}"
        return field


def _policy_column(name: str, show: Any) -> Any:
    """For those who may only look, the fields of the form are columns."""
    return computed_column(ScheduleForm.base_fields[name].label, show)


def _grace_seconds(schedule: PeriodicTask) -> str:
    seconds = policy_of(schedule).grace_seconds
    return f"{DEFAULT_GRACE_SECONDS if seconds is None else seconds:g}"


def _why_off(schedule: PeriodicTask) -> str:
    return "" if schedule.enabled else switched_off([schedule.pk])[schedule.pk].summary


def _crontab_rhythm(schedule: PeriodicTask) -> str:
    return crontab_in_words(schedule.crontab) if schedule.crontab else ""


LAST_RUN = instant_column(PeriodicTask, "last_run_at")


def _with_ours(fieldsets: Any) -> list[Any]:
    """The sections with our column in place of the time of the last run, and beside the switch the
    reason for switching off."""
    ours = {"last_run_at": LAST_RUN, "enabled": ("enabled", "reason")}
    return [
        (title, {**options, "fields": tuple(ours.get(each, each) for each in options["fields"])})
        for title, options in fieldsets
    ]


@page(PeriodicTask)
class SchedulesAdmin(BeatAdmin, PeriodicTaskAdmin):
    """Its pages of schedules, with our verbs, form and columns."""

    action_form = ActionFormWithReason
    form = ScheduleForm
    change_form_template = "admin/neural/schedule_form.html"  # type: ignore[assignment]
    list_display = (
        "name",
        "enabled",
        "rhythm",
        short_instant_column(PeriodicTask, "start_time"),
        short_instant_column(PeriodicTask, "last_run_at"),
        "one_off",
    )
    readonly_fields = (LAST_RUN, "crontab_translation")
    fieldsets = (
        *_with_ours(PeriodicTaskAdmin.fieldsets),
        section(gettext_lazy("Late and overlapping runs"), *POLICY),
    )
    rhythm = computed_column(gettext_lazy("rhythm"), rhythm_of)
    crontab_translation = computed_column(gettext_lazy("rhythm"), _crontab_rhythm)
    overlap = _policy_column("overlap", lambda row: str(policy_of(row).get_overlap_display()))
    misfire = _policy_column("misfire", lambda row: str(policy_of(row).get_misfire_display()))
    grace_seconds = _policy_column("grace_seconds", _grace_seconds)
    reason = _policy_column("reason", _why_off)
    enable_tasks, disable_tasks, toggle_tasks = map(_action_of, (ENABLE, DISABLE, TOGGLE))

    @property
    def media(self) -> Media:
        """Django's, without the inline script of the base's template."""
        return super().media + Media(js=("neural/schedule_form.js",))

    @admin.action(
        description=gettext_lazy("Run now: ask for one run of each chosen schedule, in your name"),
        permissions=["run"],
    )
    def run_tasks(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Run each schedule once; if one is refused, the others still run."""
        asked = run_each(request.user, queryset.order_by("pk"), reason_in(request))
        report_runs(self, request, asked)

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Django calls this before it offers ``run_tasks`` and before it runs it."""
        return may_run(request.user)

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        """Save the schedule, and its policy."""
        super().save_model(request, obj, form, change)
        if isinstance(form, ScheduleForm):
            form.save_policy(obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page, with the rhythms of all crontabs for its script."""
        rhythms = {each.pk: crontab_in_words(each) for each in CrontabSchedule.objects.all()}
        context = {**(extra_context or {}), "rhythms": rhythms}
        return admin.ModelAdmin.changeform_view(self, request, object_id, form_url, context)


class RhythmAdmin(BeatAdmin):
    """Its pages of crontabs, intervals and the like."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The entries of what is deleted, and one for each schedule that is deleted with it."""
        for row in queryset:
            fallen = row.periodictask_set.order_by("pk")
            LogEntry.objects.log_actions(cast("int", request.user.pk), fallen, DELETION)
            if rows := list(fallen):
                code, names = action_of(PeriodicTask, "delete"), [str(each) for each in rows]
                record_user(request.user, action=code, rows=rows, details={"names": names})
        return super().log_deletions(request, queryset)


RHYTHMS: dict[type[Model], tuple[type[Any], dict[str, Any]]] = {
    ClockedSchedule: (
        ClockedScheduleAdmin,
        {"list_display": (instant_column(ClockedSchedule, "clocked_time"),)},
    ),
    CrontabSchedule: (
        CrontabScheduleAdmin,
        {"human_readable": computed_column(gettext_lazy("rhythm"), crontab_in_words)},
    ),
    IntervalSchedule: (IntervalScheduleAdmin, {}),
    SolarSchedule: (SolarScheduleAdmin, {}),
}
for _model, (_theirs, _ours) in RHYTHMS.items():
    page(_model)(type(_theirs.__name__, (RhythmAdmin, _theirs), _ours))

register_titles_of_rows(
    PeriodicTask,
    [
        *((each.name, each.label) for each in (ENABLE, DISABLE, TOGGLE)),
        (RUN_ACT, gettext_lazy("Run now")),
    ],
)
