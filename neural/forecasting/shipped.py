"""The app's defaults: the demand forecast's plan and nightly schedule, and pruning of forecasts.

Plan and schedule are created once, after a migration, and never overwritten: people may change
them.
"""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from neural.forecasting.models import Forecast, ForecastAccuracy, TrainingPlan
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.rounds.asking import ROUND_TASK
from neural.ledger.prune import Prunable
from neural.schedules import shipped_defaults
from neural.schedules.shipped import ShippedSchedule

PLAN = "neural.shipped_plan"

TRAINING_SCHEDULE = ShippedSchedule(
    name="neural: federated training",
    task=ROUND_TASK,
    description=(
        "Trains the demand forecast across stores (docs/explanation/learning.md). Yours to change: "
        "it is made once and never overwritten."
    ),
    hour="3",
    minute="0",
)

FORECAST_DAYS = 400
"""Forecasts are kept for a year of hits and misses, and a month to look at it."""

FORECASTS = Prunable(
    name="forecasts",
    label=_("forecasts"),
    which=f"forecasts that are more than {FORECAST_DAYS} days old",
    model=Forecast,
    made_at="made_at",
    kept_days=lambda: FORECAST_DAYS,
)

ACCURACY = Prunable(
    name="forecast_accuracy",
    label=_("accuracy of forecasts"),
    which=f"accuracy of forecasts that was measured more than {FORECAST_DAYS} days ago",
    model=ForecastAccuracy,
    made_at="measured_at",
    kept_days=lambda: FORECAST_DAYS,
)


def connect(app: AppConfig) -> None:
    """Create the plan after the migration that brings training plans."""
    shipped_defaults.connect(app, name=PLAN, create=make_plan)


def make_plan(using: str = "default") -> bool:
    """Create the plan of the demand forecast if there is none. Returns whether it was created."""
    plans = TrainingPlan.objects.using(using)
    return plans.get_or_create(model_type=DEFAULT_MODEL_TYPE)[1]
