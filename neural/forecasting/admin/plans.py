"""The admin pages of training plans, where people edit plans and run them now."""

import datetime as dt
from itertools import islice
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.db.models import Field, Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, gettext_noop, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import NOTHING, badge, link
from neural.admin.pages import page
from neural.admin.scope import NeuralAdmin, section
from neural.forecasting.admin.display import reason, state_badge
from neural.forecasting.core.model_types import label_of, model_types
from neural.forecasting.models import TrainingPlan, TrainingRound
from neural.forecasting.rounds.asking import ROUND_TASK
from neural.forecasting.rounds.opening import eligible_stores, open_round
from neural.forecasting.sources import demand_source
from neural.kit.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.models.store import sees_every_store
from neural.schedules.rhythms import rhythm_of

FIELDSETS: Any = (
    section(
        None,
        "model_type",
        "enabled",
        "publishing",
        "schedule",
        "newest",
        description=_(
            "A round learns from the sales of all stores that take part. What you change here "
            "counts from the next round on."
        ),
    ),
    section(
        _("Who takes part, and how long it may take"),
        "participants",
        ("least_stores", "least_share"),
        "deadline_seconds",
        description=_(
            "A round goes on without stores that fail, as long as there are enough others: "
            "the quorum. Otherwise it ends and the version in force stays."
        ),
    ),
    section(
        _("What is learned from"),
        ("history_days", "held_out_days"),
        "dishes_per_store",
        description=_(
            "The last days are kept apart: nobody trains on them, and the new version is "
            "judged by them."
        ),
    ),
    section(
        _("Trees"),
        "trees",
        description=_(
            "Trees find what a linear model cannot. They are grown from sums over the "
            "stores and take most of a round's time. Without trees a round is short and "
            "forecasts err by about three per cent more."
        ),
    ),
)


MOST_TRIED = 10
"""The number of last sales days that are tried. Stores whose sales ended together share one."""


def open_round_of(plan: TrainingPlan, user: Any) -> bool:
    """Open a round in this user's name. Returns whether a new one was opened."""
    now = database_clock()
    try:
        opened = open_round(
            name=plan.model_type,
            now=now,
            requested_by=user.get_username(),
            as_of=morning_after_the_last_sales(plan, today=now.date()),
        )
    except NeuralError:  # for example, the model type's app was removed
        return False
    return opened.is_new


def morning_after_the_last_sales(plan: TrainingPlan, *, today: dt.date) -> dt.date | None:
    """The day to train as of, if the sales of most stores ended too long ago to train as of today.
    This is so in a demo, or when history is loaded before the tills are connected. None if today
    suffices, or if no day does."""
    if _are_enough(plan, today):
        return None
    mornings = (last + dt.timedelta(days=1) for last in _last_days(plan))
    earlier = (morning for morning in mornings if morning < today)
    return next((day for day in islice(earlier, MOST_TRIED) if _are_enough(plan, day)), None)


def _last_days(plan: TrainingPlan) -> list[dt.date]:
    """The distinct last sales days of stores, the latest first, without the days that fewer than
    the plan's ``least_stores`` reach."""
    return list(dict.fromkeys(list(demand_source().last_days())[plan.least_stores - 1 :]))


def _are_enough(plan: TrainingPlan, today: dt.date) -> bool:
    count = eligible_stores(plan, today=today).count()
    return count >= plan.quorum_of(count)


def what_came_of_it(plan: TrainingPlan) -> tuple[int, SafeString]:
    """The message about the newest round: it is open, or it ended at once for a reason."""
    found = newest_round_of(plan)
    if found is None:
        return messages.WARNING, format_html("{}", gettext("No round was opened."))
    visible = link(found, f"#{found.pk}")
    if not found.is_open:
        text = gettext("Round {} ended at once: {}")
        return messages.WARNING, format_html(text, visible, reason(found))
    message = format_html(gettext("Round {} is open: its page shows how far it is."), visible)
    if day := found.config.get("as_of"):
        why = gettext(
            "Nothing was sold lately, so it trains as on the morning of {}, after the last sales."
        )
        message = format_html("{} {}", message, format_html(why, day))
    return messages.SUCCESS, message


def newest_round_of(plan: TrainingPlan) -> TrainingRound | None:
    """The plan's newest round, without its large columns; None if there is none."""
    rounds = TrainingRound.objects.filter(model_type=plan.model_type)
    return rounds.defer("server_state", "question").order_by("-pk").first()


def _is_idle(plan: TrainingPlan) -> bool:
    return not TrainingRound.objects.open().filter(model_type=plan.model_type).exists()


RUN_NOW = Verb(
    name="run",
    label=pgettext_lazy("training", "Run now"),
    explanation=gettext_lazy("Run now: open a round of training for these plans"),
    permission="neural_forecasting.run_traininground",
    apply=open_round_of,
    fits=lambda plan: plan.enabled and _is_idle(plan),
    change=gettext_noop("rounds: a new one (run now)"),
    message_for=what_came_of_it,
    whole_chain=True,
)


@page(TrainingPlan)
class TrainingPlanAdmin(VerbsAdmin, NeuralAdmin):
    """A plan concerns every store, so only users who see every store may change it."""

    verbs = (RUN_NOW,)
    whole_chain = ("add", "change")
    never = ("delete",)  # rounds refer to plans; they can be switched off
    list_display = ("type_name", "standing", "quorum_display", "publishing", "newest")
    filter_horizontal = ("participants",)
    fieldsets = FIELDSETS

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    # Permissions

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A plan may be added if a registered model type has none yet."""
        return super().has_add_permission(request) and bool(_types_without_plan())

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
    def quorum_display(self, plan: TrainingPlan) -> str:
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
        visible = [_scheduled(task) for task in tasks.filter(task=ROUND_TASK).order_by("name")]
        return format_html("{}" + "<br>{}" * (len(visible) - 1), *visible) if visible else NOTHING


def _scheduled(task: Any) -> SafeString | str:
    state = badge("succeeded", _("on")) if task.enabled else badge("discarded", _("off"))
    return format_html("{} {} {}", link(task, task.name), state, rhythm_of(task))


def _types_without_plan() -> list[str]:
    planned = set(TrainingPlan.objects.values_list("model_type", flat=True))
    return [each.name for each in model_types() if each.name not in planned]


def _without(fields: Any, name: str) -> tuple[Any, ...]:
    return tuple(each for each in fields if each != name)
