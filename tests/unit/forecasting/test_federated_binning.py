"""Bins that stores agree on: few, the same for all, from quantiles alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from neural.forecasting.core.binning import Bins, agree, binned, check_sketch, sketch
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.protocol import AnswerRefused, Json


def column(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)[:, None]


def normal(seed: int, count: int = 2000) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 1)).astype(np.float32)


def agreed(*stores: NDArray[np.float32], bins: int = 32) -> Bins:
    sketches = [sketch(values=each) for each in stores]
    return agree(sketches=sketches, bins=bins, features=stores[0].shape[1])


def test_a_feature_of_few_values_has_a_bin_for_each_of_them() -> None:
    found = agreed(column(*[0, 1, 3] * 20), column(*[3, 7] * 20))

    assert found.counts.tolist() == [4]
    assert binned(values=column(0, 1, 3, 7), bins=found)[0].tolist() == [0, 1, 2, 3]


def test_a_constant_feature_has_one_bin() -> None:
    found = agreed(column(*[5] * 100), column(*[5] * 50))

    assert found.counts.tolist() == [1]
    assert binned(values=column(-9, 5, 9), bins=found)[0].tolist() == [0, 0, 0]


def test_neighbouring_floats_are_told_apart() -> None:
    # Halfway between these two rounds to the upper one.
    low = np.nextafter(np.float32(1), np.float32(2))
    high = np.nextafter(low, np.float32(2))
    found = agreed(column(*[low, high] * 20))

    assert binned(values=column(low, high), bins=found)[0].tolist() == [0, 1]


def test_the_bins_of_a_continuous_feature_hold_about_equally_many() -> None:
    stores = [normal(seed) for seed in range(5)]

    found = agreed(*stores)

    codes = binned(values=np.concatenate(stores), bins=found)[0]
    shares = np.bincount(codes, minlength=32) / len(codes)
    assert found.counts.tolist() == [32]
    assert shares.min() > 0.5 / 32
    assert shares.max() < 2 / 32


@given(order=st.permutations(range(6)))
def test_the_order_of_the_stores_does_not_matter(order: list[int]) -> None:
    stores = [normal(seed, 100 * (seed + 1)) for seed in range(6)]

    shuffled = agreed(*(stores[each] for each in order))

    assert shuffled.as_json() == agreed(*stores).as_json()


def test_a_store_with_few_examples_sends_few_points() -> None:
    counts = decode(sketch(values=normal(0, 40))["counts"], dtype="<f4", shape=(1, None))

    assert (counts > 0).sum() == 5
    assert counts.sum() == pytest.approx(40)


def test_a_store_without_examples_has_no_say() -> None:
    assert agreed(normal(1), normal(2, 0)).as_json() == agreed(normal(1)).as_json()


def test_no_store_counts_for_more_examples_than_are_allowed() -> None:
    boasting = sketch(values=normal(1) + 100)
    counts = decode(boasting["counts"], dtype="<f4", shape=(1, 64))
    boasting["counts"] = encode(counts * np.float32(1e12), dtype="<f4")
    honest = [sketch(values=normal(seed)) for seed in range(9)]

    found = agree(sketches=[*honest, boasting], bins=32, features=1, most_examples=2000)

    assert (found.edges[0] < 50).sum() >= 27


def test_values_that_are_not_finite_make_no_bins() -> None:
    values = column(*[0, 1] * 20, np.nan, np.inf, -np.inf)

    assert agreed(values).as_json() == agreed(column(*[0, 1] * 20)).as_json()


def test_bins_are_read_as_they_were_written() -> None:
    found = agreed(normal(1))

    again = Bins.from_json(found.as_json())

    assert np.array_equal(again.edges, found.edges)


def test_edges_that_do_not_rise_are_refused() -> None:
    edges = np.array([[1.0, 0.0]], dtype=np.float32)

    with pytest.raises(AnswerRefused) as refused:
        Bins.from_json(encode(edges))

    assert refused.value.reason == "wrong_type"


def test_values_of_another_number_of_features_are_refused() -> None:
    with pytest.raises(ValueError, match="2 features"):
        binned(values=np.zeros((3, 2)), bins=agreed(normal(1)))


@pytest.mark.parametrize("bins", [1, 257])
def test_the_number_of_bins_fits_a_byte(bins: int) -> None:
    with pytest.raises(ValueError, match="from 2 to 256"):
        agreed(normal(1), bins=bins)


def _without(answer: Json) -> Json:
    return {"points": answer["points"]}


def _negative(answer: Json) -> Json:
    return {**answer, "counts": encode(np.full((1, 64), -1, dtype=np.float32))}


def _not_a_number(answer: Json) -> Json:
    return {**answer, "points": encode(np.full((1, 64), np.nan, dtype=np.float32))}


def _of_two_features(answer: Json) -> Json:
    return {**answer, "points": encode(np.zeros((2, 64), dtype=np.float32))}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without, "wrong_keys"),
        (_negative, "wrong_type"),
        (_not_a_number, "not_finite"),
        (_of_two_features, "wrong_shape"),
    ],
)
def test_a_bad_sketch_is_refused(spoil: object, reason: str) -> None:
    assert callable(spoil)
    with pytest.raises(AnswerRefused) as refused:
        check_sketch(spoil(sketch(values=normal(1))), features=1)

    assert refused.value.reason == reason
