"""What the channels of a store's orders say of the coming days."""

from dataclasses import replace

import numpy as np
import pytest

from neural.forecasting.core.features import FEATURES, forecast_examples, training_examples
from neural.forecasting.core.lags import OF_CHANNELS, Past, of_channels
from neural.forecasting.core.series import CHANNELS
from tests.unit.forecasting.sales_of_a_store import sales_of

DAYS = 84
OFTEN, SELDOM = 0, 1
"""Two dishes that are delivered often, and seldom."""


def sold(delivered, days=DAYS, at_table=20.0):
    """(channels, days, dishes): as much in the store on every day, and what is delivered."""
    channels = np.zeros((len(CHANNELS), days, 2))
    channels[CHANNELS.index("dine_in")] = at_table
    channels[CHANNELS.index("delivery"), :, OFTEN] = delivered
    channels[CHANNELS.index("delivery"), :, SELDOM] = np.asarray(delivered) / 10
    return channels


def store(channels, **known):
    quantities = known.pop("quantities", channels.sum(axis=0))
    return sales_of(quantities, channels=channels, **known)


def last_day(sales):
    """The features of the last day by name, (dishes,) each."""
    values = of_channels(sales, Past(sales.quantities))[-1]
    return {name: values[:, place] for place, name in enumerate(OF_CHANNELS)}


GROWING = np.linspace(2, 20, DAYS)


def test_where_no_channel_is_known_they_say_nothing():
    channels = sold(GROWING)

    for none in (None, np.zeros_like(channels)):
        sales = replace(store(channels), channels=none)
        assert not of_channels(sales, Past(sales.quantities)).any()


def test_where_all_channels_grow_alike_no_dish_is_told_from_another():
    channels = sold(5.0) * np.linspace(1, 3, DAYS)[:, None]

    assert last_day(store(channels))["channel_trend"] == pytest.approx([0, 0], abs=0.01)


def test_where_deliveries_grow_the_dishes_that_are_delivered_often_do():
    often, seldom = last_day(store(sold(GROWING)))["channel_trend"]
    falling = last_day(store(sold(GROWING[::-1])))["channel_trend"]

    assert often > 0.2
    assert seldom < -0.2
    assert falling[SELDOM] - falling[OFTEN] > 0.2


def test_the_growth_of_deliveries_counts_by_a_dishs_share_of_them():
    often, seldom = last_day(store(sold(GROWING)))["delivery_growth"]

    assert often > 4 * seldom > 0
    assert last_day(store(sold(5.0)))["delivery_growth"] == pytest.approx([0, 0])


def test_a_dish_of_which_nothing_was_sold_lately_has_the_stores_shares():
    channels = sold(GROWING)
    channels[:, -28:, SELDOM] = 0
    sales = store(channels)
    found = last_day(sales)["delivery_growth"]

    assert found[SELDOM] == pytest.approx(found[OFTEN], rel=0.1)


def test_nothing_of_later_days_is_used():
    sales, until = store(sold(GROWING)), 60
    cut = store(sold(GROWING)[:, :until])

    early = of_channels(sales, Past(sales.quantities))[:until]

    assert np.array_equal(early, of_channels(cut, Past(cut.quantities)))


def test_the_first_days_on_which_channels_are_stated_are_no_growth():
    channels = sold(10.0)
    whole = channels.sum(axis=0)
    for first in (28, DAYS - 40, DAYS - 20, DAYS - 3):
        later = channels.copy()
        later[:, :first] = 0
        found = last_day(store(later, quantities=whole))
        assert found["channel_trend"] == pytest.approx([0, 0], abs=1e-9)
        assert found["delivery_growth"] == pytest.approx([0, 0], abs=1e-9)


def test_a_closed_week_is_no_fall_of_deliveries():
    channels = sold(10.0)
    channels[:, -10:-3] = 0
    quantities = channels.sum(axis=0)
    quantities[-10:-3] = np.nan

    assert last_day(store(channels, quantities=quantities))["delivery_growth"] == pytest.approx(
        [0, 0], abs=0.05
    )


def test_where_orders_say_more_than_the_days_report_the_report_counts():
    channels = sold(GROWING)
    half = channels.sum(axis=0) / 2

    found = last_day(store(channels, quantities=half))

    assert found["channel_trend"][OFTEN] > 0.2
    assert found["delivery_growth"] == pytest.approx(
        last_day(store(channels / 2))["delivery_growth"]
    )


def test_an_unknown_day_is_left_out():
    channels = sold(GROWING)
    quantities = channels.sum(axis=0)
    quantities[-5, OFTEN] = np.nan
    odd = channels.copy()
    odd[:, -5, OFTEN] *= 50

    one, other = (store(each, quantities=quantities) for each in (channels, odd))

    assert last_day(one)["delivery_growth"] == pytest.approx(last_day(other)["delivery_growth"])


def test_examples_have_them_as_of_the_day_on_which_they_are_made():
    sales = store(sold(GROWING))
    examples = training_examples(sales, first_day=70, end_day=71, horizons=[9])
    of_day = of_channels(sales, Past(sales.quantities))[70 - 9]

    for place, name in enumerate(OF_CHANNELS):
        assert examples.values[:, FEATURES.index(name)] == pytest.approx(of_day[:, place])


def test_channels_change_no_other_feature():
    sales = store(sold(GROWING))
    without = forecast_examples(replace(sales, channels=None)).values

    changed = (forecast_examples(sales).values != without).any(axis=0)

    assert {name for name, other in zip(FEATURES, changed, strict=True) if other} == {*OF_CHANNELS}


def test_channels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="channels has shape"):
        replace(store(sold(5.0)), channels=np.zeros((2, DAYS, 2)))
