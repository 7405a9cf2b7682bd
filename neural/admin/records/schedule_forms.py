"""The form and the columns of django-celery-beat's pages, as everywhere else in the admin.

A schedule's policy is edited with it. Its rhythm is told in the reader's language ("daily at 03:30,
Asia/Shanghai"), times have one form, every input has a label, and no script stands in the page
itself.
"""

import re
from functools import lru_cache
from typing import Any

from celery import current_app
from cron_descriptor import Options, get_description
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import get_language, gettext_lazy, ngettext, override
from django.utils.translation import gettext as _
from django_celery_beat.admin import (
    ClockedScheduleAdmin,
    CrontabScheduleAdmin,
    PeriodicTaskAdmin,
    PeriodicTaskForm,
    ScheduleAdmin,
)
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask

from neural.admin.display import instant, instant_column, short_instant_column
from neural.admin.panels import add_panels
from neural.audit import MOST_WORDS
from neural.celeryapp.schedule_runs import try_out
from neural.celeryapp.schedule_switches import switched_off
from neural.celeryapp.task import LedgerTask
from neural.ledger.work_errors import describe
from neural.models import Misfire, Overlap, SchedulePolicy
from neural.models.schedule_policy import DEFAULT_GRACE_SECONDS

_TIME_OF_DAY = re.compile(r"\d{1,2}")
_LOCALES = {"en": "en_US", "zh": "zh_CN"}
"""The languages in which a crontab is told, by the first part of their codes."""


def in_words(schedule: Any) -> str:
    """When one of django-celery-beat's schedules runs; empty if it has no rhythm."""
    if schedule.crontab:
        return crontab_in_words(schedule.crontab)
    if schedule.interval:
        return _interval_in_words(schedule.interval)
    if schedule.solar:
        return _solar_in_words(schedule.solar)
    if schedule.clocked:
        return _("once, on %(time)s") % {"time": instant(schedule.clocked.clocked_time)}
    return ""


def _interval_in_words(interval: Any) -> str:
    count = interval.every
    texts = {
        "days": ngettext("every day", "every %(count)d days", count),
        "hours": ngettext("every hour", "every %(count)d hours", count),
        "minutes": ngettext("every minute", "every %(count)d minutes", count),
        "seconds": ngettext("every second", "every %(count)d seconds", count),
        "microseconds": ngettext("every microsecond", "every %(count)d microseconds", count),
    }
    return texts[interval.period] % {"count": count}


def _solar_in_words(solar: Any) -> str:
    place = f"{solar.latitude:f}, {solar.longitude:f}"
    return _("%(event)s at %(place)s") % {"event": solar.get_event_display(), "place": place}


def crontab_in_words(crontab: Any) -> str:
    """When a crontab's schedules run, and by which zone's clock."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    fields = tuple(getattr(crontab, name).replace(" ", "") or "*" for name in names)
    return f"{_told(fields, get_language() or 'en')}, {crontab.timezone}"


@lru_cache(maxsize=1000)
def _told(fields: tuple[str, ...], language: str) -> str:
    minute, hour, *days = fields
    if days == ["*", "*", "*"] and all(map(_TIME_OF_DAY.fullmatch, (minute, hour))):
        return _("daily at %(time)s") % {"time": f"{int(hour):02}:{int(minute):02}"}
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = _LOCALES.get(language.partition("-")[0], "en_US")
    expression = " ".join(fields)
    try:
        return _in_language(get_description(expression, options))
    except Exception:  # noqa: BLE001 (Celery takes forms that this library does not know)
        return expression


def _in_language(text: str) -> str:
    """The text with the names of days and months in the language, which the library leaves in
    English."""
    for named in (WEEKDAYS, MONTHS):
        for name in named.values():
            with override("en"):
                english = str(name)
            text = text.replace(english, str(name))
    return text


POLICY = ("overlap", "misfire", "grace_seconds")
SHORTEST_GRACE, LONGEST_GRACE = 10, 86_400


class ScheduleForm(PeriodicTaskForm):
    """django-celery-beat's form with the fields of the schedule's policy."""

    overlap = forms.ChoiceField(
        label=gettext_lazy("If its last run has not ended"),
        choices=Overlap.choices,
        required=False,
        help_text=gettext_lazy(
            "Known of tasks on the ledger alone. A run that waits for its next attempt has not "
            "ended."
        ),
    )
    misfire = forms.ChoiceField(
        label=gettext_lazy("Times that beat missed"), choices=Misfire.choices, required=False
    )
    grace_seconds = forms.FloatField(
        label=gettext_lazy("Missed after, in seconds"),
        min_value=SHORTEST_GRACE,
        max_value=LONGEST_GRACE,
        required=False,
        help_text=gettext_lazy(
            "If missed times are left out: how late beat may come. 60 seconds if nothing is said."
        ),
    )

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=MOST_WORDS,
        required=False,
        help_text=gettext_lazy("Needed to switch the schedule off. Everybody sees it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy = _policy_of(self.instance)
        for name in POLICY:
            self.initial.setdefault(name, getattr(policy, name))

    def clean(self) -> Any:
        data = super().clean()
        if data.get("overlap") == Overlap.SKIP and not _is_on_ledger(data["task"]):
            self.add_error(
                "overlap",
                gettext_lazy(
                    "%(task)s is no task on the ledger: nobody knows whether its last run has "
                    "ended."
                )
                % {"task": data["task"]},
            )
        goes_off = self.initial.get("enabled") and not data.get("enabled")
        if goes_off and not data.get("reason"):
            said = gettext_lazy("%(action)s needs a reason, which everybody sees.")
            self.add_error("reason", said % {"action": gettext_lazy("Switch off")})
        return data

    def _post_clean(self) -> None:
        """Django's hook after the row has its new values: try whether beat's call is accepted. What
        is switched off may wait for its task to come."""
        super()._post_clean()
        if self.errors or not self.instance.enabled:
            return
        try:
            try_out(self.instance)
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 (whatever the task or the ledger refuses it with)
            said = gettext_lazy("It would be refused each time it is due: %(reason)s")
            self.add_error(None, said % {"reason": describe(error)})

    def save_policy(self, schedule: PeriodicTask) -> None:
        """Keep the policy as it was entered; another site's form may have left it out."""
        if self.add_prefix("overlap") not in self.data:
            return
        SchedulePolicy.objects.update_or_create(
            pk=schedule.pk,
            defaults={
                "overlap": self.cleaned_data["overlap"] or Overlap.ALLOW,
                "misfire": self.cleaned_data["misfire"] or Misfire.RUN_ONCE,
                "grace_seconds": self.cleaned_data["grace_seconds"],
            },
        )


def _policy_of(schedule: Any) -> SchedulePolicy:
    policy = SchedulePolicy.objects.filter(pk=schedule.pk).first() if schedule.pk else None
    return policy or SchedulePolicy()


def _is_on_ledger(task: str) -> bool:
    current_app.loader.import_default_modules()
    return isinstance(current_app.tasks.get(task), LedgerTask)


# For those who may only look, the policy's fields are columns.


@admin.display(description=ScheduleForm.base_fields["overlap"].label)
def _overlap(model_admin: Any, schedule: PeriodicTask) -> str:
    return str(_policy_of(schedule).get_overlap_display())


@admin.display(description=ScheduleForm.base_fields["misfire"].label)
def _misfire(model_admin: Any, schedule: PeriodicTask) -> str:
    return str(_policy_of(schedule).get_misfire_display())


@admin.display(description=ScheduleForm.base_fields["grace_seconds"].label)
def _grace_seconds(model_admin: Any, schedule: PeriodicTask) -> str:
    seconds = _policy_of(schedule).grace_seconds
    return f"{DEFAULT_GRACE_SECONDS if seconds is None else seconds:g}"


@admin.display(description=ScheduleForm.base_fields["reason"].label)
def _reason(model_admin: Any, schedule: PeriodicTask) -> str:
    return "" if schedule.enabled else switched_off([schedule.pk])[schedule.pk].told


@admin.display(description=gettext_lazy("rhythm"))
def _rhythm(model_admin: Any, schedule: PeriodicTask) -> str:
    return in_words(schedule)


@admin.display(description=gettext_lazy("rhythm"))
def _crontab_rhythm(model_admin: Any, crontab: CrontabSchedule) -> str:
    return crontab_in_words(crontab)


@admin.display(description=gettext_lazy("rhythm"))
def _crontab_translation(model_admin: Any, schedule: PeriodicTask) -> str:
    return crontab_in_words(schedule.crontab) if schedule.crontab else ""


def _media(self: Any) -> forms.Media:
    stock: Any = admin.ModelAdmin.media
    script = forms.Media(js=("neural/schedule_form.js",), css={"all": ("neural/admin.css",)})
    return stock.fget(self) + script


def _save_model(
    self: Any, request: HttpRequest, schedule: PeriodicTask, form: Any, change: bool
) -> None:
    admin.ModelAdmin.save_model(self, request, schedule, form, change)
    if isinstance(form, ScheduleForm):
        form.save_policy(schedule)


def _changeform_view(
    self: Any,
    request: HttpRequest,
    object_id: str | None = None,
    form_url: str = "",
    extra_context: dict[str, Any] | None = None,
) -> Any:
    rhythms = {each.pk: crontab_in_words(each) for each in CrontabSchedule.objects.all()}
    context = {**(extra_context or {}), "rhythms": rhythms}
    return admin.ModelAdmin.changeform_view(self, request, object_id, form_url, context)


def _labelled(self: Any, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
    """Django's form field; the two inputs of a time each say what they are."""
    field = admin.ModelAdmin.formfield_for_dbfield(self, db_field, request, **kwargs)
    widget = getattr(field, "widget", None)
    if field is not None and isinstance(widget, AdminSplitDateTime):
        for part, named in zip(
            widget.widgets, (gettext_lazy("date"), gettext_lazy("time")), strict=True
        ):
            part.attrs["aria-label"] = f"{field.label}: {named}"
    return field


def _render_change_form(
    self: Any, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
) -> Any:
    if kwargs.get("obj") is not None:
        add_panels(context, request, kwargs["obj"])
    return admin.ModelAdmin.render_change_form(self, request, context, *args, **kwargs)


def mend_pages() -> None:
    """Put all of this into django-celery-beat's classes."""
    for model_admin in (PeriodicTaskAdmin, ScheduleAdmin):
        model_admin.formfield_for_dbfield = _labelled
    _mend_schedules()
    CrontabScheduleAdmin.human_readable = _crontab_rhythm
    ClockedScheduleAdmin.list_display = (instant_column(ClockedSchedule, "clocked_time"),)


def _mend_schedules() -> None:
    last_run = instant_column(PeriodicTask, "last_run_at")
    pages: Any = PeriodicTaskAdmin
    pages.form = ScheduleForm
    pages.change_form_template = "admin/neural/schedule_form.html"
    pages.media = property(_media)
    pages.save_model, pages.changeform_view = _save_model, _changeform_view
    pages.render_change_form = _render_change_form
    pages.overlap, pages.misfire, pages.grace_seconds = _overlap, _misfire, _grace_seconds
    pages.reason = _reason
    pages.rhythm, pages.crontab_translation = _rhythm, _crontab_translation
    pages.list_display = (
        "name",
        "enabled",
        "rhythm",
        short_instant_column(PeriodicTask, "start_time"),
        short_instant_column(PeriodicTask, "last_run_at"),
        "one_off",
    )
    pages.readonly_fields = (last_run, "crontab_translation")
    pages.fieldsets = (*_with(last_run, pages.fieldsets), _POLICY_SECTION)


_POLICY_SECTION = (gettext_lazy("Late and overlapping runs"), {"fields": POLICY})


def _with(last_run: Any, fieldsets: Any) -> list[Any]:
    """The sections with this column in place of the time of the last run, and beside the switch the
    reason for switching off."""
    shown = {"last_run_at": last_run, "enabled": ("enabled", "reason")}
    return [
        (title, {**options, "fields": tuple(shown.get(each, each) for each in options["fields"])})
        for title, options in fieldsets
    ]
