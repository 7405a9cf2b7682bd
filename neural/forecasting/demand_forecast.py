"""Registers the app's own model type, ``demand_forecast``: a store's sales of each dish."""

from django.utils.translation import gettext_lazy as _

from neural.forecasting.core import client, program
from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.features import NEWEST, SETS
from neural.forecasting.core.phases.order import expected_exchanges
from neural.forecasting.core.types import ModelType, register_model_type

DEMAND_FORECAST = register_model_type(
    ModelType(
        name="demand_forecast",
        label=_("demand forecast"),
        program=program.DemandProgram(),
        answer=client.answer,
        answer_together=client.answer_together,
        schema_hash=NEWEST.hash,
        older_schemas=tuple(each.hash for each in SETS[:-1]),
        schema_of=program.schema_of,
        forecast=forecast,
        expected_exchanges=expected_exchanges,
        releases=program.releases,
    )
)
