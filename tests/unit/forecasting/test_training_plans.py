"""A plan's numbers, and what a round is given of them."""

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.models import TrainingPlan


def test_a_plan_that_nobody_changed_trains_as_was_measured():
    assert TrainingPlan(model_type="demand_forecast").config() == TrainingConfig()


def test_what_was_set_of_an_option_that_is_gone_is_ignored():
    """A row keeps it for workers of the release before."""
    plan = TrainingPlan(model_type="demand_forecast", proximal=2.5, strategy="median")

    assert plan.config() == TrainingConfig()


def test_every_number_of_a_plan_reaches_the_round():
    plan = TrainingPlan(model_type="demand_forecast", trees=7, history_days=90)

    config = plan.config()

    assert (config.trees, config.history_days) == (7, 90)
