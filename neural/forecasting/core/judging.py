"""A draft judged by a store on the days that it kept back: sums, by method. Pure.

Every example of the last days counts, seen from 1 to 14 days before. All methods are judged on
the same rows. Bands are fitted on even days to judge odd ones and the other way round, so that no
day judges what it has made.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neural.forecasting.core import baselines, dispersion, dispersion_bounds, evaluation, glm
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.dispersion import Dispersion
from neural.forecasting.core.features import Examples
from neural.forecasting.core.protocol import AnswerRefused, Json
from neural.forecasting.core.series import FloatArray, Sales

METHODS = ("candidate", "active", "seasonal_naive", "weekday_mean", "local")
TOMORROW = "@1"
"""Ends the name of a method's sums of forecasts for the next day alone."""
LOCAL_RIDGE = 0.1
HALVES = ("even", "odd")
LARGEST_SUM = 1e18


def point_forecasts(
    *,
    active: Json | None,
    sales: Sales,
    train: Examples,
    held_out: Examples,
    candidate: FloatArray,
) -> dict[str, FloatArray]:
    """By method, (n,): forecasts of the held-out examples."""
    found = {
        "candidate": candidate,
        "seasonal_naive": baselines.seasonal_naive(sales, held_out),
        "weekday_mean": baselines.weekday_mean(sales, held_out),
        "local": local(train, held_out),
    }
    if active is not None:
        model = DemandModel.from_json(active)
        found["active"] = model.forecast(held_out, model.personal_weights(train))
    return found


def local(train: Examples, held_out: Examples) -> FloatArray:
    """(n,): what the store would forecast without the others, its own standard too."""
    standard = glm.agreed_standard([glm.standard_sums(train.values)])
    weights = glm.local(glm.problem(train, standard), ridge=LOCAL_RIDGE)
    return glm.forecast(held_out, standard, weights)


def sells_whole(sales: Sales) -> bool:
    """Whether the store sells whole portions only."""
    known = sales.quantities[np.isfinite(sales.quantities)]
    return bool((known == np.rint(known)).all())


def residuals(held_out: Examples, forecasts: FloatArray) -> Json:
    """By half of the days: what their residuals add up to."""
    odd = held_out.day % 2 == 1
    return {
        half: dispersion.residual_sums(held_out.target[of], forecasts[of], held_out.horizon[of])
        for half, of in zip(HALVES, (~odd, odd), strict=True)
    }


def check_residuals(value: object) -> None:
    """Raise :class:`AnswerRefused` unless these are sums such as :func:`residuals` makes."""
    if not isinstance(value, dict) or set(value) != set(HALVES):
        raise AnswerRefused("wrong_keys", "residuals are of even and odd days")
    for half in value.values():
        if not isinstance(half, dict) or set(half) != set(dispersion.SUMS):
            raise AnswerRefused("wrong_keys", "sums of residuals")
        for sums in half.values():
            if not isinstance(sums, list) or len(sums) != len(dispersion.LAST_OF_BUCKET):
                raise AnswerRefused("wrong_shape", "sums of residuals")
            for each in sums:
                check_number(each)
        if not dispersion_bounds.are_possible(half):
            raise AnswerRefused("out_of_range", "no residuals add up to these sums")


def calibration(answers: Sequence[Json]) -> Json:
    """The dispersion of all days, and that of either half, by which the other is judged; no store
    decides it alone."""
    parts = dispersion_bounds.bounded(answers)
    by_half = {half: [each[half] for each in parts] for half in HALVES}
    everything = [part for parts in by_half.values() for part in parts]
    return {
        "dispersion": dispersion.fitted(everything).as_json(),
        **{half: dispersion.fitted(parts).as_json() for half, parts in by_half.items()},
    }


def figures(
    *,
    forecasts: Mapping[str, FloatArray],
    sales: Sales,
    held_out: Examples,
    first_held_out: int,
    quality: Json,
) -> dict[str, evaluation.Sums]:
    """By method: sums of errors, of all horizons and of the next day alone; the candidate's with
    those of its bands."""
    scale = evaluation.naive_errors(sales.quantities[:first_held_out])[held_out.dish]
    next_day = held_out.horizon == 1
    found = {}
    for method, forecast in forecasts.items():
        for name, of in ((method, slice(None)), (method + TOMORROW, next_day)):
            found[name] = evaluation.point_sums(
                held_out.target[of], forecast[of], naive_error=scale[of]
            )
    bands = _bands(forecasts["candidate"], sales, held_out, quality)
    found["candidate"] |= evaluation.band_sums(held_out.target, bands)
    return found


def _bands(forecast: FloatArray, sales: Sales, held_out: Examples, quality: Json) -> FloatArray:
    """(n, 3): each day's by the dispersion of the other half."""
    odd, whole = held_out.day % 2 == 1, sells_whole(sales)
    even, other = (
        Dispersion.from_json(quality[half]).quantiles(forecast, held_out.horizon, whole=whole)
        for half in HALVES
    )
    return np.where(odd[:, None], even, other)


def check_figures(value: object, *, has_active: bool) -> None:
    """Raise :class:`AnswerRefused` unless these are sums such as :func:`figures` makes, of all
    methods, and of the same rows."""
    methods = [each for each in METHODS if has_active or each != "active"]
    names = {name + end for name in methods for end in ("", TOMORROW)}
    if not isinstance(value, dict) or set(value) != names:
        raise AnswerRefused("wrong_keys", "figures are of other methods")
    for name, sums in value.items():
        bands = evaluation.BAND_SUMS if name == "candidate" else ()
        if not isinstance(sums, dict) or set(sums) != {*evaluation.POINT_SUMS, *bands}:
            raise AnswerRefused("wrong_keys", f"sums of {name}")
        for each in sums.values():
            check_number(each)
    for end in ("", TOMORROW):
        if len({(value[m + end]["count"], value[m + end]["demand"]) for m in methods}) > 1:
            raise AnswerRefused("inconsistent", "methods were judged on different rows")


def check_number(value: Any) -> None:
    """Raise :class:`AnswerRefused` unless a value is a sum: a float, finite, not below 0."""
    if not isinstance(value, float):
        raise AnswerRefused("wrong_type", "a sum is no number")
    if not math.isfinite(value) or not 0 <= value <= LARGEST_SUM:
        raise AnswerRefused("out_of_range", "a sum")
