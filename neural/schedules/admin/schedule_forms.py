"""The form of a schedule with its policy."""

from typing import Any

from celery import current_app
from django import forms
from django.db import DatabaseError, InterfaceError
from django.utils.translation import gettext_lazy
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import PeriodicTask

from neural.audit import MOST_WORDS
from neural.celeryapp.task import LedgerTask
from neural.kit.tasks import load_tasks
from neural.ledger.work_errors import describe
from neural.models import Misfire, Overlap, SchedulePolicy
from neural.schedules.runs import try_out

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
        policy = policy_of(self.instance)
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
            text = gettext_lazy("%(action)s needs a reason, which everybody sees.")
            self.add_error("reason", text % {"action": gettext_lazy("Switch off")})
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
            text = gettext_lazy("It would be refused each time it is due: %(reason)s")
            self.add_error(None, text % {"reason": describe(error)})

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


def policy_of(schedule: Any) -> SchedulePolicy:
    """The policy of a schedule; the default one if it has none."""
    policy = SchedulePolicy.objects.filter(pk=schedule.pk).first() if schedule.pk else None
    return policy or SchedulePolicy()


def _is_on_ledger(task: str) -> bool:
    load_tasks()
    return isinstance(current_app.tasks.get(task), LedgerTask)
