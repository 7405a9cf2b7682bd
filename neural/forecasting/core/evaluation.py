"""How good forecasts are: simple rules to compare with, sums of errors, and the gate. Pure.

A store sends sums only; the chain adds them up and computes figures from the totals. Rows whose
target is NaN (closed, sold out, unknown) do not count.

The gate decides whether a candidate model may be published: it must beat the active version and the
simple rules. Each store that judges sends, for each method, its sums over days that nobody trained
on. The measure is the Poisson deviance per row: the sums of all stores / the counts of all stores.
All methods are judged on the same rows.

A judging store could lie. So, from five stores on, the tenth of the stores where the candidate did
best against a method, and the tenth where it did worst, are left out of that comparison. And no
store's deviance counts for more than :data:`MOST_TIMES_MEDIAN` times the median store's."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import Past
from neural.forecasting.core.series import FloatArray, Sales

# Rules that need no training


STEADY_DAYS, STEADY_SHARES = (0, 14, 42, 56, 120), (0.0, 0.5, 0.5, 1 / 3, 0.0)
"""The share of the weekday mean in a model's forecast, by the known days of a dish."""
LONGEST_LOOK_BACK = 8
"""The number of weeks that are searched for an open day of the same weekday."""


def seasonal_naive(sales: Sales, examples: Examples) -> FloatArray:
    """(n,): the sales on the last open day of the same weekday up to the origin; the dish's level
    if the store was open on none of the last eight."""
    past, row, dish = Past(sales.quantities), _weekday_row(examples), examples.dish
    forecast = np.full(len(examples), np.nan)
    for week in range(LONGEST_LOOK_BACK):
        at = row - 7 * week
        usable = np.isnan(forecast) & (at >= 0)
        found = past.known[np.maximum(at, 0), dish] > 0
        there = usable & found
        forecast[there] = past.sold[at[there], dish[there]]
    return np.where(np.isnan(forecast), np.exp(examples.offset), forecast)


def weekday_mean(sales: Sales, examples: Examples) -> FloatArray:
    """(n,): the mean sales on the same weekday in the last four weeks up to the origin; the
    dish's level if the store was open on none of them."""
    sold, count = Past(sales.quantities).weekday_sums(4)
    row, dish = _weekday_row(examples), examples.dish
    at = np.maximum(row, 0)
    known = np.where(row >= 0, count[at, dish], 0.0)
    mean = sold[at, dish] / np.maximum(known, 1.0)
    return np.where(known > 0, mean, np.exp(examples.offset))


def steadied(sales: Sales, examples: Examples, mean: FloatArray) -> FloatArray:
    """(n,): a model's forecast, averaged with the weekday mean where a dish has not been sold for
    long. Of the first days the rule knows less than the model, and with four months the model does
    better alone."""
    share = np.interp(examples.known_days, STEADY_DAYS, STEADY_SHARES)
    return np.asarray(mean + share * (weekday_mean(sales, examples) - mean))


def _weekday_row(examples: Examples) -> NDArray[np.int64]:
    """The row of the last same weekday up to the origin; negative if before the first day."""
    weeks = -(-examples.horizon.astype(np.int64) // 7)
    return examples.day.astype(np.int64) - 7 * weeks


# Sums and figures


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


def naive_errors(quantities: FloatArray) -> FloatArray:
    """(dishes,): the mean absolute difference from seven days before, over ``quantities``
    (days, dishes). NaN for a dish without two known days that far apart."""
    differences = np.abs(quantities[7:] - quantities[:-7])
    known = np.isfinite(differences)
    total = np.where(known, differences, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# The gate


Judged: TypeAlias = Mapping[str, Mapping[str, float]]
"""One store's sums by method."""
Pair: TypeAlias = tuple[Mapping[str, float], Mapping[str, float]]
"""The sums of the candidate and of another method."""

CANDIDATE = "candidate"
TO_BEAT = ("active", "seasonal_naive", "weekday_mean")
"""The methods that a candidate must beat. Without an active version, ``active`` is missing."""


MOST_TIMES_MEDIAN = 2.5
"""A store's total deviance counts for at most this many times the median store's."""
STORES_TO_TRIM = 5
TRIM_SHARE = 0.1


class GateDecision(NamedTuple):
    """Whether a candidate passes the gate, and why."""

    better: bool
    reason: str
    """``better``, ``no_better`` or ``not_judged``."""
    detail: str = ""
    """The method that is not beaten, and both deviances."""


def add_up(judged: Iterable[Judged]) -> dict[str, dict[str, float]]:
    """The sums of all stores by method, exactly rounded and independent of the stores' order."""
    parts: dict[str, dict[str, list[float]]] = {}
    for each in judged:
        for method, sums in each.items():
            for name, value in sums.items():
                parts.setdefault(method, {}).setdefault(name, []).append(float(value))
    return {
        method: {name: math.fsum(values) for name, values in sums.items()}
        for method, sums in parts.items()
    }


def deviance(sums: Mapping[str, float] | None) -> float | None:
    """The Poisson deviance per row; None if nothing was judged."""
    if not sums or not sums.get("count") or "deviance" not in sums:
        return None
    mean = sums["deviance"] / sums["count"]
    return mean if math.isfinite(mean) else None


class Compared(NamedTuple):
    """Deviance per row of the candidate (``own``) and of a method (``other``)."""

    own: float
    other: float


def compare(judged: Sequence[Judged], method: str) -> Compared | None:
    """Compare the candidate with a method; None if no store has judged both."""
    pairs = [
        (each[CANDIDATE], each[method])
        for each in judged
        if deviance(each.get(CANDIDATE)) is not None and deviance(each.get(method)) is not None
    ]
    if not pairs:
        return None
    pairs = _without_extremes(pairs)
    most = MOST_TIMES_MEDIAN * median(_larger(pair) for pair in pairs)
    scales = [min(1.0, most / _larger(pair)) if _larger(pair) else 1.0 for pair in pairs]

    def mean(of: int) -> float:
        parts = list(zip(scales, pairs, strict=True))
        total = math.fsum(scale * pair[of]["deviance"] for scale, pair in parts)
        return total / math.fsum(scale * pair[of]["count"] for scale, pair in parts)

    return Compared(mean(0), mean(1))


def _larger(pair: Pair) -> float:
    return max(each["deviance"] for each in pair)


def _without_extremes(
    pairs: list[Pair],
) -> list[Pair]:
    if len(pairs) < STORES_TO_TRIM:
        return pairs
    cut = math.ceil(TRIM_SHARE * len(pairs) - 1e-9)

    def advantage(pair: Pair) -> float:
        own, other = (each["deviance"] / each["count"] for each in pair)
        return own / (own + other) if own + other else 0.5

    return sorted(pairs, key=advantage)[cut:-cut]


def judge(judged: Sequence[Judged]) -> GateDecision:
    """Decide whether the candidate beats each method of :data:`TO_BEAT`.

    ``judged`` has the sums of each store. An equal candidate does not pass: people already know the
    model in force.
    """
    compared = {method: compare(judged, method) for method in TO_BEAT}
    known = {method: each for method, each in compared.items() if each is not None}
    if not known:
        return GateDecision(False, "not_judged")
    for method, each in known.items():
        if not each.own < each.other:
            detail = f"{method}: {each.other:.4f}, candidate: {each.own:.4f}"
            return GateDecision(False, "no_better", detail)
    return GateDecision(True, "better")
