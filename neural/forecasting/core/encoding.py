"""Arrays as JSON, for stores' answers, server states and model versions. Pure.

Bytes are little-endian and in C order on every machine, so the same array is the same text
everywhere.
"""

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.protocol import AnswerRefused, Json

DTYPES = ("<f4", "<f8", "<i4", "<i8")
"""The types that may be sent. numpy unpickles none of them."""

MOST_ELEMENTS = 4_000_000
"""The most numbers that one array may have: 32 MB of float64."""

_KEYS = {"dtype", "shape", "data"}


def encode(array: NDArray[Any], *, dtype: str | None = None) -> Json:
    """An array as JSON: ``{"dtype": "<f4", "shape": [2, 3], "data": base64}``.

    ``dtype``, one of :data:`DTYPES`, converts the array first (with numpy's rounding). Without it
    the array keeps its own type. Raises ValueError for a type that is not in :data:`DTYPES`.
    """
    name = np.dtype(dtype or array.dtype).newbyteorder("<").str
    if name not in DTYPES:
        raise ValueError(f"an array of {name} is not sent; only {', '.join(DTYPES)} are")
    values = np.asarray(array, dtype=name, order="C")
    data = base64.b64encode(values.tobytes()).decode("ascii")
    return {"dtype": name, "shape": list(values.shape), "data": data}


def decode(
    value: object,
    *,
    dtype: str,
    shape: Sequence[int | None],
    most_elements: int = MOST_ELEMENTS,
) -> NDArray[Any]:
    """The array that :func:`encode` wrote, as a copy in this machine's byte order.

    It is strict, because it reads data sent by others. ``dtype`` and ``shape`` must match exactly;
    None in ``shape`` allows any length. Raises :class:`AnswerRefused` with ``wrong_type`` (not such
    an object, another dtype, not base64), ``wrong_shape`` (another shape, more than
    ``most_elements`` numbers, or data of another length) or ``not_finite`` (a float that is NaN or
    infinite). It allocates memory for the data that was sent, not for the shape that is claimed.
    """
    sent = _checked(value, dtype)
    lengths = _lengths(sent["shape"], shape, most_elements)
    data = _bytes(sent["data"], math.prod(lengths) * np.dtype(dtype).itemsize)
    array = np.frombuffer(data, dtype=dtype).reshape(lengths)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise AnswerRefused("not_finite")
    return array.astype(array.dtype.newbyteorder("="))


def _checked(value: object, dtype: str) -> Json:
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype}")
    if not isinstance(value, dict) or set(value) != _KEYS:
        raise AnswerRefused("wrong_type", "an array has the keys data, dtype and shape")
    if value["dtype"] != dtype:
        raise AnswerRefused("wrong_type", f"dtype is not {dtype}")
    return value


def _lengths(sent: object, wanted: Sequence[int | None], most: int) -> tuple[int, ...]:
    # In Python, bool is an int: True would be a length of 1.
    if not isinstance(sent, list) or not all(type(each) is int and each >= 0 for each in sent):
        raise AnswerRefused("wrong_type", "a shape is a list of lengths")
    right = len(sent) == len(wanted) and all(
        each is None or each == length for length, each in zip(sent, wanted, strict=True)
    )
    if not right:
        raise AnswerRefused("wrong_shape", f"{_brief(sent)} is not {_brief(wanted)}")
    if math.prod(sent) > most:
        raise AnswerRefused("wrong_shape", f"more than {most} numbers")
    return tuple(sent)


def _brief(shape: Sequence[int | None]) -> str:
    """A shape as text. A shape that was sent may have thousands of axes of absurd lengths."""
    if len(shape) > 4 or any(each is not None and each > 10**9 for each in shape):
        return "what was sent"
    return "(" + ", ".join("any" if each is None else str(each) for each in shape) + ")"


def _bytes(data: object, wanted: int) -> bytes:
    if not isinstance(data, str):
        raise AnswerRefused("wrong_type", "data is not text")
    # The length is checked before decoding: base64 makes four characters of three bytes.
    if len(data) != 4 * math.ceil(wanted / 3):
        raise AnswerRefused("wrong_shape", "data is not as long as its shape says")
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise AnswerRefused("wrong_type", "data is not base64") from None
    if len(found) != wanted:
        raise AnswerRefused("wrong_shape", "data is not as long as its shape says")
    return found
