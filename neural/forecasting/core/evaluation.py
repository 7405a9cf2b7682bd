"""Measures of forecast quality, as sums that add up across stores. Pure.

A store sends sums only; the chain adds them up and computes figures from the totals. Rows whose
target is NaN (closed, sold out, unknown) do not count.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from neural.forecasting.core.series import FloatArray

QUANTILES = (0.1, 0.5, 0.9)

Sums: TypeAlias = dict[str, float]

POINT_SUMS = ("count", "demand", "forecast", "absolute_error", "deviance", "naive_error")
BAND_SUMS = ("pinball", "inside", "below", "band_count")

_LEAST_FORECAST = 1e-6


def poisson_deviance(target: FloatArray, forecast: FloatArray) -> FloatArray:
    """The Poisson deviance of each row: 2 (y log(y / m) - (y - m)), where y log y is 0 at 0 and m
    is at least 1e-6."""
    mean = np.maximum(forecast, _LEAST_FORECAST)
    some = np.maximum(target, _LEAST_FORECAST)
    logarithm = np.where(target > 0, target * np.log(some / mean), 0.0)
    result: FloatArray = 2.0 * (logarithm - (target - mean))
    return np.maximum(result, 0.0)


def pinball(target: FloatArray, quantile: FloatArray, *, level: float) -> FloatArray:
    """The pinball loss of a quantile forecast (Koenker and Bassett 1978), for each row."""
    over = target - quantile
    return np.asarray(np.maximum(level * over, (level - 1.0) * over))


def point_sums(
    target: FloatArray, forecast: FloatArray, *, naive_error: float | FloatArray = np.nan
) -> Sums:
    """The sums of a store's point forecasts. Each array is (n,).

    ``naive_error`` is the mean absolute error of the seasonal naive forecast on the days that were
    trained on (for each row's dish). It scales MASE.
    """
    known = np.isfinite(target)
    y, m = target[known], forecast[known]
    scale = np.broadcast_to(naive_error, target.shape)[known]
    return {
        "count": float(known.sum()),
        "demand": float(y.sum()),
        "forecast": float(m.sum()),
        "absolute_error": float(np.abs(y - m).sum()),
        "deviance": float(poisson_deviance(y, m).sum()),
        "naive_error": float(np.nansum(scale)),
    }


def band_sums(target: FloatArray, quantiles: FloatArray) -> Sums:
    """The sums of a store's P10, P50 and P90, (n, 3): the pinball loss of all three, and how often
    the target was within P10 to P90, or below P10."""
    known = np.isfinite(target)
    y, q = target[known], quantiles[known]
    losses = [pinball(y, q[:, i], level=level).sum() for i, level in enumerate(QUANTILES)]
    return {
        "pinball": float(sum(losses)),
        "inside": float(((y >= q[:, 0]) & (y <= q[:, 2])).sum()),
        "below": float((y < q[:, 0]).sum()),
        "band_count": float(known.sum()),
    }


def figures(sums: Mapping[str, float]) -> dict[str, float | None]:
    """The figures that people read, from sums; None where nothing is known.

    ``wape``: absolute error / demand. ``mase``: absolute error / that of the seasonal naive
    forecast on the days trained on (Hyndman and Koehler 2006). ``deviance``: Poisson deviance per
    row. ``bias``: forecast / demand. ``pinball``: pinball loss of the quantiles / demand.
    ``coverage``: share of targets within P10 to P90.
    """
    return {
        "wape": _ratio(sums, "absolute_error", "demand"),
        "mase": _ratio(sums, "absolute_error", "naive_error"),
        "deviance": _ratio(sums, "deviance", "count"),
        "bias": _ratio(sums, "forecast", "demand"),
        "pinball": _ratio(sums, "pinball", "demand"),
        "coverage": _ratio(sums, "inside", "band_count"),
    }


def _ratio(sums: Mapping[str, float], part: str, whole: str) -> float | None:
    if part not in sums or not sums.get(whole):
        return None
    return sums[part] / sums[whole]


def naive_errors(quantities: FloatArray, *, season: int = 7) -> FloatArray:
    """(dishes,): the mean absolute difference from ``season`` days before, over ``quantities``
    (days, dishes). NaN for a dish without two known days that far apart."""
    differences = np.abs(quantities[season:] - quantities[:-season])
    known = np.isfinite(differences)
    total = np.where(known, differences, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
