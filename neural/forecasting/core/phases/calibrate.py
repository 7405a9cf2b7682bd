"""The phase in which stores report the scatter of the model's errors on the held-out days. Pure.

The width of every band comes from sums of the stores' residuals. A store that sends enormous sums
would make the bands useless for everybody, so each store is bounded by what the others send.

Bands fitted on even days are judged on odd days, and the other way round, so no day judges a band
that it helped to fit.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neural.forecasting.core import dispersion
from neural.forecasting.core.dispersion import LARGEST_RATIO, SUMS, Sums
from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import LEAST_DAYS
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, check_number
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig
from neural.forecasting.core.series import FloatArray

HALVES = ("even", "odd")

STORES_TO_BOUND = 5
"""With fewer stores, no majority is clear enough to bound a store by."""
MOST_TIMES_MEDIAN = 2.5
"""A store counts for at most this many times the rows of the median store."""
MOST_SCATTER = 3.0
"""A store's errors count for at most this many times the usual scatter at its demand."""
_TOLERANCE = 1e-6

ByHalf = Mapping[str, Sums]


class Calibrate(Phase):
    """Asks for sums of squared errors, from which the width of the bands is computed."""

    name = "calibrate"
    keys = frozenset({"base", "residuals"})
    judges = True

    def answer(self, store: StorePart) -> Json:
        return {"base": store.base, "residuals": residuals(store.held_out, store.forecasts)}

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        check_residuals(answer["residuals"])

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        found = calibration([each["residuals"] for each in answers.values()])
        return Combined({"quality": found})


def residuals(held_out: Examples, forecasts: FloatArray) -> Json:
    """The sums of residuals, for even and odd days separately. Those of new dishes, whose bands are
    wider, do not count."""
    settled = held_out.known_days >= LEAST_DAYS
    held_out, forecasts = held_out.where(settled), forecasts[settled]
    odd = held_out.day % 2 == 1
    return {
        half: dispersion.residual_sums(held_out.target[of], forecasts[of], held_out.horizon[of])
        for half, of in zip(HALVES, (~odd, odd), strict=True)
    }


def check_residuals(value: object) -> None:
    """Raise :class:`AnswerRefused` unless ``value`` has the form and range of
    :func:`residuals`."""
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
        if not are_possible(half):
            raise AnswerRefused("out_of_range", "no residuals add up to these sums")


def calibration(answers: Sequence[Json]) -> Json:
    """The dispersion of all days, and that of each half, by which the other half is judged. The
    answers are bounded, so no store decides it alone."""
    parts = bounded(answers)
    by_half = {half: [each[half] for each in parts] for half in HALVES}
    everything = [part for parts in by_half.values() for part in parts]
    return {
        "dispersion": dispersion.fitted(everything).as_json(),
        **{half: dispersion.fitted(parts).as_json() for half, parts in by_half.items()},
    }


# Bounds on one store's sums, so that it does not decide for all


def are_possible(sums: Sums) -> bool:
    """Whether any residuals could add up to these sums (of one store, by bucket)."""
    count, mean, square, ratio, residual = (np.array(sums[name]) for name in SUMS)
    more = 1.0 + _TOLERANCE
    return bool(
        (mean**2 <= count * square * more).all()
        and (ratio <= LARGEST_RATIO * count * more).all()
        and (residual <= LARGEST_RATIO * mean * more).all()
    )


def bounded(parts: Sequence[ByHalf]) -> list[ByHalf]:
    """The sums of the stores, by half, each scaled down to the bounds.

    The median store gives the usual scatter: 1 + α·demand per row, in units of chance. So the size
    of a store does not matter.
    """
    if len(parts) < STORES_TO_BOUND:
        return list(parts)
    halves = list(parts[0])
    sums = {name: np.array([[of[half][name] for half in halves] for of in parts]) for name in SUMS}
    weight = _weights(sums)
    sums = {name: each * weight[:, None] for name, each in sums.items()}
    ratio, residual = _scatter(sums)
    sums["ratio"], sums["residual"] = sums["ratio"] * ratio, sums["residual"] * residual
    return [
        {
            half: {name: sums[name][store, place].tolist() for name in SUMS}
            for place, half in enumerate(halves)
        }
        for store in range(len(parts))
    ]


def _weights(sums: Mapping[str, FloatArray]) -> FloatArray:
    """(stores, buckets), at most 1: limits a store's rows, and its squared forecasts to the sum of
    all others."""
    count, square = sums["count"].sum(axis=1), sums["square"].sum(axis=1)
    weight = _at_most(count, MOST_TIMES_MEDIAN * _median(count, count))
    square = square * weight
    return weight * _at_most(square, square.sum(axis=0) - square)


def _scatter(sums: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The factors that limit ``ratio`` and ``residual``: (stores, 1, buckets) each, at most 1."""
    count, mean, square, ratio, residual = (sums[name].sum(axis=1) for name in SUMS)
    beyond = np.maximum(ratio - count, 0.0) / np.where(mean > 0, mean, 1.0)
    alpha = _median(beyond, count)
    usual = count + alpha * mean, mean + alpha * square
    by_forecast = _at_most(ratio, MOST_SCATTER * usual[0])
    return by_forecast[:, None], _at_most(residual, MOST_SCATTER * usual[1])[:, None]


def _median(values: FloatArray, count: FloatArray) -> FloatArray:
    """(buckets,): the median of the stores with residuals in the bucket; 0 if there are none."""
    found = [column[there > 0] for column, there in zip(values.T, count.T, strict=True)]
    return np.array([np.median(each) if len(each) else 0.0 for each in found])


def _at_most(values: FloatArray, limit: FloatArray) -> FloatArray:
    """The factors, at most 1, that bring the values within the limit."""
    factor = np.broadcast_to(limit, values.shape) / np.where(values > 0, values, 1.0)
    return np.where(values > 0, np.minimum(factor, 1.0), 1.0)
