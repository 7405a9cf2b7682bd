"""Registers the app's own model type, ``demand_forecast``: a store's sales of each dish."""

from django.utils.translation import gettext_lazy as _

from neural.forecasting.core import program
from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.features import SCHEMA
from neural.forecasting.core.model_types import ModelType, register_model_type
from neural.forecasting.core.program import expected_exchanges

DEMAND_FORECAST = register_model_type(
    ModelType(
        name="demand_forecast",
        label=_("demand forecast"),
        program=program.DemandProgram(),
        answer=program.answer,
        answer_together=program.answer_together,
        schema_hash=SCHEMA,
        forecast=forecast,
        expected_exchanges=expected_exchanges,
    )
)
