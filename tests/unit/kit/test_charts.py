"""Drawings, in the units of their view boxes."""

from itertools import pairwise

import pytest

from neural.kit import charts


def test_a_line_goes_from_the_left_to_the_right_and_its_highest_value_touches_the_top():
    assert charts.line_of([0, 5, 10]) == ["0.0,27.0 50.0,14.0 100.0,1.0"]


def test_a_line_is_broken_where_nothing_is_known():
    assert charts.line_of([1, 1, None, 1, 1]) == ["0.0,1.0 25.0,1.0", "75.0,1.0 100.0,1.0"]


def test_a_single_value_is_still_drawn():
    assert charts.line_of([None, 1, None]) == ["50.0,1.0 51.0,1.0"]


@pytest.mark.parametrize("values", [[], [None], [0, 0], [0.0]])
def test_a_line_without_values_needs_no_scale(values):
    charts.line_of(values)


def test_bars_are_stacked_and_the_highest_column_fills_the_height():
    stack = charts.stack_of([{"a": 1, "failed": 1}, {"a": 4}], ["one", "two"], ["a", "failed"])

    (lower, upper), (whole,) = (column.bars for column in stack.columns)
    assert stack.top == 4
    assert (float(whole.y), float(whole.height)) == (0, charts.HEIGHT)
    assert float(upper.y) + float(upper.height) == pytest.approx(float(lower.y))
    assert (lower.kind, upper.kind) == ("series-0", "series-failed")


def test_an_empty_column_has_no_bar_but_its_title():
    (column,) = charts.stack_of([{}], ["14:05: 0"], ["a"]).columns

    assert (column.bars, column.title) == ([], "14:05: 0")


def test_the_smallest_bar_can_be_seen():
    stack = charts.stack_of([{"a": 1}, {"a": 100_000}], ["", ""], ["a"])

    assert float(stack.columns[0].bars[0].height) >= charts.SHORTEST


def test_more_queues_than_colours_share_the_last_one():
    kinds = charts.kinds_of([*"abcdefgh", "failed"])

    assert kinds["a"] != kinds["b"]
    assert kinds["f"] == kinds["h"] == "series-4"
    assert kinds["failed"] == "series-failed"


def test_on_a_logarithmic_scale_decades_are_evenly_spaced():
    plot = charts.log_plot({"p99": [0.01, 1, 100]}, limit=None)

    heights = [float(y) for y in plot.grid]
    steps = {round(b - a, 1) for a, b in pairwise(heights)}
    assert len(steps) == 1
    assert plot.ticks[0] >= 100
    assert plot.ticks[-1] <= 0.01


def test_the_limit_is_on_the_scale_even_if_nothing_came_near_it():
    plot = charts.log_plot({"p99": [0.01, 0.02]}, limit=60)

    assert 0 <= float(plot.limit) <= charts.HEIGHT


@pytest.mark.parametrize("values", [[], [None, None], [0.0, 0.0], [1e7]])
def test_any_values_can_be_plotted(values):
    plot = charts.log_plot({"p50": values}, limit=None)

    assert len(plot.ticks) >= 2
