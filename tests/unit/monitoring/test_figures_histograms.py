"""Histograms of durations: each duration in one bucket, sums exact, quantiles within a bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.monitoring.rollups.histograms import BOUNDS, BUCKETS, added, bucket_of, quantile


def histogram(*durations):
    counts = [0] * BUCKETS
    for each in durations:
        counts[bucket_of(each)] += 1
    return counts


def test_bounds_rise_and_the_last_bucket_has_none():
    assert sorted(set(BOUNDS)) == list(BOUNDS)
    assert len(BOUNDS) == BUCKETS - 1 == 31


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(-5, 0), (0, 0), (0.001, 0), (0.0011, 1), (1.0, 11), (1.01, 12), (1e9, BUCKETS - 1)],
)
def test_a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed(seconds, bucket):
    assert bucket_of(seconds) == bucket


def test_sums_are_bucket_by_bucket_and_an_empty_histogram_counts_nothing():
    one, other = histogram(0.1, 2), histogram(0.1)

    assert added(one, other) == histogram(0.1, 0.1, 2)
    assert added([], one) == added(one, []) == one
    assert added([], []) == []


def test_of_nothing_there_is_no_quantile():
    assert quantile([], 0.5) is None
    assert quantile(histogram(), 0.5) is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_duration_that_it_stands_for(durations, share):
    found = quantile(histogram(*durations), share)

    place = max(0, -(-len(durations) * share // 1) - 1)  # rounded up, counted from 0
    bucket = bucket_of(sorted(durations)[int(place)])
    low = BOUNDS[bucket - 1] if bucket else 0
    high = BOUNDS[min(bucket, len(BOUNDS) - 1)]
    assert low <= found <= high


def test_the_median_is_interpolated():
    assert quantile(histogram(*[1.5] * 100), 0.5) == pytest.approx(1.75)
