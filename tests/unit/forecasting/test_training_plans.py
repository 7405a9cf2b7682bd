"""A plan's numbers, and what a round is given of them."""

from dataclasses import fields

import pytest

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.models import TrainingPlan

OF_A_ROUND = {"as_of"}
"""What only a round knows."""


@pytest.mark.parametrize(
    "name", sorted({each.name for each in fields(TrainingConfig)} - OF_A_ROUND)
)
def test_a_plan_that_nobody_changed_trains_as_was_measured(name):
    field = TrainingPlan._meta.get_field(name)

    assert field.default == getattr(TrainingConfig(), name)


def test_every_number_of_a_plan_reaches_the_round():
    plan = TrainingPlan(model_type="demand_forecast", trees=7, proximal=2.5)

    config = plan.config()

    assert (config.trees, config.proximal) == (7, 2.5)
