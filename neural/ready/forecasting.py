"""What forecasting adds to the core."""

from django.apps import AppConfig

from neural.federated import (
    checks,  # noqa: F401  (registers the system checks)
    demand_forecast,  # noqa: F401  (registers the model type)
    shipped,
    tasks,  # noqa: F401  (known to the relay)
)
from neural.federated.pruning import FORECASTS
from neural.runs import shipped_schedules
from neural.runs.pruning import register_prunable


def add_to_core(app: AppConfig) -> None:
    """Forecasts to prune, the plan and the schedule of training."""
    register_prunable(FORECASTS)
    shipped_schedules.connect(app, [shipped.TRAINING_SCHEDULE])
    shipped.connect(app)
