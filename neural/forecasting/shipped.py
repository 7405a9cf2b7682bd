"""The app's defaults: the demand forecast's plan and nightly schedule, and pruning of forecasts.

Plan and schedule are created once, after a migration, and never overwritten: people may change
them.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.db import router
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _

from neural import made_once
from neural.adopting import brings_tables
from neural.celeryapp.shipped_schedules import ShippedSchedule
from neural.forecasting.models import Forecast, TrainingPlan
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.names import ROUND_TASK
from neural.ledger.prune import Prunable

COMES_WITH = "federated_rounds"
PLAN = "neural.shipped_plan"

TRAINING_SCHEDULE = ShippedSchedule(
    name="neural: federated training",
    task=ROUND_TASK,
    description=(
        "Trains the demand forecast across stores (docs/learning.md). Yours to change: it is "
        "made once and never overwritten."
    ),
    hour="3",
    minute="0",
    comes_with=COMES_WITH,
)

FORECAST_DAYS = 400
"""Forecasts are kept for a year of hits and misses, and a month to look at it."""

FORECASTS = Prunable(
    name="forecasts",
    label=_("forecasts"),
    which=f"forecasts that are more than {FORECAST_DAYS} days old",
    model=Forecast,
    made_at="made_at",
    aged_from="made_at",
    kept_days=lambda: FORECAST_DAYS,
)


def connect(app: AppConfig) -> None:
    """Create the plan after the migration that adds training plans."""
    pre_migrate.connect(_before_migration, sender=app, dispatch_uid=PLAN)
    post_migrate.connect(_after_migration, sender=app, dispatch_uid=PLAN)


def _before_migration(*, using: str, **_: Any) -> None:
    if router.allow_migrate_model(using, TrainingPlan):
        made_once.note_if_new(PLAN, app_labels=(TrainingPlan._meta.app_label,), using=using)


def _after_migration(*, using: str, plan: Sequence[Any] = (), **_: Any) -> None:
    label = TrainingPlan._meta.app_label
    news = any(brings_tables(each, label, COMES_WITH) for each, backwards in plan if not backwards)
    if not router.allow_migrate_model(using, TrainingPlan):
        return
    if news or made_once.is_due(PLAN, app_labels=(label,), using=using):
        with made_once.making(PLAN, using=using):
            make_plan(using=using)


def make_plan(*, using: str = "default") -> bool:
    """Create the plan of the demand forecast if there is none. Returns whether it was created."""
    plans = TrainingPlan.objects.using(using)
    return plans.get_or_create(model_type=DEFAULT_MODEL_TYPE)[1]
