"""The Django app of federated training and forecasts."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.forecasting.conf  # noqa: F401  (registers its settings)
from neural.kit.optional import require

require("neural.forecasting", "numpy", "holidays", extra="forecasting")


class ForecastingConfig(AppConfig):
    name = "neural.forecasting"
    label = "neural_forecasting"
    verbose_name = _("Forecasts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the demand forecast's model type, and connect the creation of its plan and
        nightly schedule."""
        from neural.forecasting import (
            checks,  # noqa: F401  (registers the system checks)
            demand_forecast,  # noqa: F401  (registers the model type)
            shipped,
            tasks,  # noqa: F401  (known to the relay)
        )
        from neural.forecasting.rounds import closing
        from neural.ledger.ports import when_ended
        from neural.ledger.prune import register_prunable
        from neural.schedules import shipped as schedules

        when_ended("training rounds", closing.fail_with_run)
        register_prunable(shipped.FORECASTS)
        register_prunable(shipped.ACCURACY)
        schedules.connect(self, [shipped.TRAINING_SCHEDULE])
        shipped.connect(self)
