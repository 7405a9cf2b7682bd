"""The admin pages of training plans, where people edit plans and run them now.

Saving a plan warns if its noise exceeds the privacy budget, before a round spends it in vain.
"""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Field, Model
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import VerbsAdmin
from neural.admin.display import NOTHING, badge, link
from neural.admin.pages import page
from neural.admin.scope import NeuralAdmin
from neural.forecasting.admin.display import state_badge
from neural.forecasting.admin.plan_fields import FIELDSETS
from neural.forecasting.admin.run_now import RUN_NOW, newest_round_of
from neural.forecasting.core.model_types import label_of, model_types
from neural.forecasting.core.privacy import PrivacyAccountantMissing, PrivacyBudgetSpent
from neural.forecasting.models import TrainingPlan
from neural.forecasting.rounds.advancing import epsilon_after
from neural.forecasting.rounds.asking import ROUND_TASK
from neural.models.store import sees_every_store
from neural.sites import address_in_admin


@page(TrainingPlan)
class TrainingPlanAdmin(VerbsAdmin, NeuralAdmin):
    """A plan concerns every store, so only users who see every store may change it."""

    verbs = (RUN_NOW,)
    list_display = ("type_name", "standing", "strategy", "quorum_shown", "publishing", "newest")
    filter_horizontal = ("participants",)
    fieldsets = FIELDSETS

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    # Permissions

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A plan may be added if a registered model type has none yet."""
        permitted = super().has_add_permission(request) and sees_every_store(request.user)
        return permitted and bool(_types_without_plan())

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        permitted = super().has_change_permission(request, obj)
        return permitted and sees_every_store(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Plans are never deleted, because rounds refer to them; they can be switched off."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("schedule", "newest") if obj is None else ("type_name", "schedule", "newest")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Hide the participants from users who do not see every store. The model type of an
        existing plan is shown as text."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            first, *others = fieldsets
            named = ("type_name", *_without(first[1]["fields"], "model_type"))
            fieldsets = [(first[0], first[1] | {"fields": named}), *others]
        if sees_every_store(request.user):
            return fieldsets
        return [
            (title, options | {"fields": _without(options["fields"], "participants")})
            for title, options in fieldsets
        ]

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only the model types that have no plan."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "model_type" and field is not None:
            choices = [(name, label_of(name)) for name in _types_without_plan()]
            field = forms.ChoiceField(choices=choices, label=field.label)
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the plan, and warn if its privacy budget does not suffice for a whole round."""
        super().save_model(request, obj, form, change)
        if warning := warning_of(obj):
            self.message_user(request, warning, messages.WARNING)

    # Columns

    @admin.display(description=_("model type"), ordering="model_type")
    def type_name(self, plan: TrainingPlan) -> str:
        return label_of(plan.model_type)

    @admin.display(description=_("state"))
    def standing(self, plan: TrainingPlan) -> SafeString:
        if plan.enabled:
            return badge("succeeded", _("enabled"))
        return badge("discarded", _("switched off"))

    @admin.display(description=_("quorum"))
    def quorum_shown(self, plan: TrainingPlan) -> str:
        values = {"stores": plan.least_stores, "share": f"{plan.least_share:.0%}"}
        return str(_("%(stores)d stores and %(share)s of the invited") % values)

    @admin.display(description=_("newest round"))
    def newest(self, plan: TrainingPlan) -> SafeString | str:
        found = newest_round_of(plan)
        if found is None:
            return NOTHING
        return format_html("{} {}", link(found, f"#{found.pk}"), state_badge(found))

    @admin.display(description=_("schedule"))
    def schedule(self, plan: TrainingPlan) -> SafeString | str:
        """Links to the periodic tasks that open rounds."""
        if not apps.is_installed("django_celery_beat"):
            return NOTHING
        tasks = apps.get_model("django_celery_beat", "PeriodicTask")._default_manager
        shown = [_scheduled(task) for task in tasks.filter(task=ROUND_TASK).order_by("name")]
        return format_html("{}" + "<br>{}" * (len(shown) - 1), *shown) if shown else NOTHING


def warning_of(plan: TrainingPlan) -> str:
    """Why differential privacy keeps every round of this plan from finishing; empty if it does not.

    A round has one noisy release for each exchange of the linear model.
    """
    if plan.noise_multiplier <= 0:
        return ""
    try:
        epsilon_after(plan, [plan.noise_multiplier] * plan.fit_exchanges)
    except PrivacyAccountantMissing as error:
        return str(error)
    except PrivacyBudgetSpent as error:
        values = {
            "count": plan.fit_exchanges,
            "spent": f"{error.epsilon:.2f}",
            "after": f"{error.epsilon_after:.2f}",
            "budget": f"{plan.epsilon_budget:g}",
        }
        return (
            gettext(
                "No round can come to its end: its %(count)d noisy releases would take ε from "
                "%(spent)s to %(after)s, and the budget is %(budget)s. More noise, fewer exchanges "
                "of the linear model or a larger budget would do."
            )
            % values
        )
    return ""


def _scheduled(task: Any) -> SafeString | str:
    try:
        address = address_in_admin("django_celery_beat_periodictask_change", task.pk)
        when = str(task.schedule)
    except (NoReverseMatch, ObjectDoesNotExist):
        return str(task.name)
    state = badge("succeeded", _("on")) if task.enabled else badge("discarded", _("off"))
    human = _in_words(task.crontab) if task.crontab else when
    return format_html('<a href="{}">{}</a> {} {}', address, task.name, state, human)


def _in_words(crontab: Any) -> str:
    """A crontab in words: a daily one in the reader's language, any other one in English."""
    days = (crontab.day_of_week, crontab.day_of_month, crontab.month_of_year)
    hour, minute = str(crontab.hour), str(crontab.minute)
    if any(each != "*" for each in days) or not (hour.isdigit() and minute.isdigit()):
        return str(crontab.human_readable)
    values = {"time": f"{hour:0>2}:{minute:0>2}", "zone": crontab.timezone}
    return gettext("every day at %(time)s, %(zone)s") % values


def _types_without_plan() -> list[str]:
    planned = set(TrainingPlan.objects.values_list("model_type", flat=True))
    return [each.name for each in model_types() if each.name not in planned]


def _without(fields: Any, name: str) -> tuple[Any, ...]:
    return tuple(each for each in fields if each != name)
