"""Arrays travel as JSON exactly, and what is not exactly as asked for is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neural.forecasting.core.encoding import DTYPES, decode, encode
from neural.forecasting.core.protocol import AnswerRefused

SENT = {"dtype": "<f8", "shape": [2], "data": "AAAAAAAA8D8AAAAAAAAAQA=="}  # 1.0, 2.0

sendable = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays.arrays(
        dtype=dtype,
        shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        elements=(
            {"allow_nan": False, "allow_infinity": False} if dtype.startswith("<f") else None
        ),
    )
)


def refusal(value, *, dtype="<f8", shape=(2,), **caps):
    with pytest.raises(AnswerRefused) as raised:
        decode(value, dtype=dtype, shape=shape, **caps)
    assert raised.value.permanent
    return raised.value.reason


@settings(deadline=None)
@given(sendable)
def test_an_array_comes_back_from_json_bit_for_bit(array):
    sent = json.loads(json.dumps(encode(array)))

    back = decode(sent, dtype=array.dtype.newbyteorder("<").str, shape=array.shape)

    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_the_text_is_the_same_whatever_the_byte_order_and_layout():
    array = np.arange(6, dtype="<f8").reshape(2, 3)

    assert encode(array.astype(">f8")) == encode(array)
    assert encode(np.asfortranarray(array)) == encode(array)
    assert encode(np.array([1.0, 2.0])) == SENT


def test_an_array_is_converted_when_a_dtype_is_named():
    assert decode(encode(np.array([0.1]), dtype="<f4"), dtype="<f4", shape=(1,)) == np.float32(0.1)


def test_what_would_be_unpickled_is_never_sent():
    with pytest.raises(ValueError, match="only"):
        encode(np.array([object()]))


def test_none_stands_for_any_length_within_the_cap():
    assert decode(SENT, dtype="<f8", shape=(None,)).tolist() == [1.0, 2.0]
    assert refusal(SENT, shape=(None,), most_elements=1) == "wrong_shape"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1.0, 2.0],
        "AAAA",
        {"dtype": "<f8", "shape": [2]},
        SENT | {"rows": 1},
        SENT | {"dtype": "<f4"},
        SENT | {"dtype": ">f8"},
        SENT | {"dtype": "|O"},
        SENT | {"dtype": 8},
        SENT | {"shape": "2"},
        SENT | {"shape": 2},
        SENT | {"shape": [2.0]},
        SENT | {"shape": [-2]},
        SENT | {"shape": [None]},
        SENT | {"data": None},
        SENT | {"data": [0] * 24},
        SENT | {"data": "*" * 24},
        SENT | {"data": "é" * 24},
    ],
)
def test_what_is_no_such_array_is_of_the_wrong_type(value):
    assert refusal(value) == "wrong_type"


def test_true_is_no_length():
    assert refusal(SENT | {"shape": [True]}, shape=(1,)) == "wrong_type"


@pytest.mark.parametrize(
    "value",
    [
        SENT | {"shape": [3]},
        SENT | {"shape": [1, 2]},
        SENT | {"shape": []},
        SENT | {"shape": [10**30]},
        SENT | {"shape": [2] * 1000},
        SENT | {"data": ""},
        SENT | {"data": SENT["data"] * 2},
        SENT | {"data": SENT["data"][:-4]},
    ],
)
def test_another_shape_or_other_data_than_the_shape_says_is_refused(value):
    assert refusal(value) == "wrong_shape"


def test_data_that_is_two_bytes_longer_in_a_text_of_the_same_length_is_refused():
    eighteen_bytes = "A" * 24  # the text of 16 bytes has 24 characters too, two of them padding
    assert refusal(SENT | {"data": eighteen_bytes}) == "wrong_shape"


def test_a_huge_shape_is_refused_before_memory_is_taken():
    huge = SENT | {"shape": [10**18]}
    assert refusal(huge, shape=(None,)) == "wrong_shape"
    assert refusal(huge, shape=(None,), most_elements=10**20) == "wrong_shape"


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused(dtype, number):
    sent = encode(np.array([1.0, number]), dtype=dtype)
    assert refusal(sent, dtype=dtype) == "not_finite"
