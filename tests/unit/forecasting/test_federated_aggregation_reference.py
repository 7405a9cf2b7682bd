"""The same as Flower's reference functions (flwr), where those are right.

Where they differ: flwr's trimmed mean cuts int(βn) values, with fewer than 1/β stores none at
all, and one hostile store then moves it at will; ours cuts max(1, ⌈βn⌉). flwr sums in the order of
arrival, so that its last bits depend on it. It caps no count, refuses nothing, and NaN
from one store makes its mean and its median NaN.
"""

import importlib.util
import sys
from importlib.metadata import distribution
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neural.forecasting.core.aggregation import (
    trimmed_count,
    trimmed_mean,
    weighted_mean,
)


@pytest.fixture(scope="module")
def reference():
    """``flwr.server.strategy.aggregate`` alone. The package around it imports gRPC and more; its
    annotations name a few types of those, for which stand-ins do."""
    stands_in = {
        "flwr": {},
        "flwr.common": {
            "FitRes": object,
            "NDArray": np.ndarray,
            "NDArrays": list[np.ndarray],
            "parameters_to_ndarrays": None,
        },
        "flwr.server": {},
        "flwr.server.client_proxy": {"ClientProxy": object},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, content in stands_in.items():
            patch.setitem(sys.modules, name, ModuleType(name))
            vars(sys.modules[name]).update(content)
        path = distribution("flwr").locate_file("flwr/server/strategy/aggregate.py")
        spec = importlib.util.spec_from_file_location("flwr_aggregate", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
several = st.integers(3, 12).flatmap(
    lambda stores: st.tuples(
        arrays.arrays(np.float64, (stores, 4), elements=numbers),
        st.lists(st.integers(1, 10**6), min_size=stores, max_size=stores),
    )
)


def by_store(rows):
    return {f"{store:02}": row for store, row in enumerate(rows)}


def as_flwr(rows, counts):
    return [([row], count) for row, count in zip(rows, counts, strict=True)]


@settings(deadline=None)
@given(given_=several)
def test_the_weighted_mean_is_flwrs(reference, given_):
    rows, counts = given_
    weights = {store: float(count) for store, count in by_store(counts).items()}

    [expected] = reference.aggregate(as_flwr(rows, counts))

    found = weighted_mean(by_store(rows), weights=weights)
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-9)


@settings(deadline=None)
@given(given_=several, share=st.sampled_from([0.1, 0.2, 0.25, 0.3]))
def test_the_trimmed_mean_is_flwrs_told_how_many_to_cut(reference, given_, share):
    rows, counts = given_
    cut = trimmed_count(len(rows), trim_share=share)
    if len(rows) <= 2 * cut:
        return
    # A little more than whole, for int() to cut as many as are meant.
    [expected] = reference.aggregate_trimmed_avg(as_flwr(rows, counts), (cut + 0.25) / len(rows))

    found = trimmed_mean(by_store(rows), trim_share=share)
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_flwr_cuts_nothing_where_the_share_is_less_than_one_store(reference):
    rows = np.array([[1.0], [2.0], [3.0], [4.0], [1e6]])

    [theirs] = reference.aggregate_trimmed_avg(as_flwr(rows, [1] * 5), 0.1)

    assert theirs[0] > 2e5
    assert trimmed_mean(by_store(rows), trim_share=0.1)[0] == 3.0
