"""How good forecasts are: simple rules to compare with, sums of errors, and the gate. Pure.

A store sends sums only; the chain adds them up and computes figures from the totals. Rows whose
target is NaN (closed, sold out, unknown) do not count.

The gate decides whether a candidate model may be published: it must not be worse than the active
version or a simple rule by more than chance explains. Each store that judges sends, for each
method, its sums over days that nobody trained on, each seen from fourteen origins. All methods are
judged on the same rows, and compared store by store: by how much the candidate's Poisson deviance
is larger, as a share of both.

A judging store could lie. So every store counts the same, whatever its size, and, from five stores
on, the tenth of the stores where the candidate did best against a method, and the tenth where it
did worst, are left out of that comparison."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import Past
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales

# Rules that need no training


STEADY_DAYS, STEADY_SHARES = (0, 14, 42, 56, 120), (0.0, 0.5, 0.5, 1 / 3, 0.0)
"""The share of the weekday mean in a model's forecast, by the known days of a dish."""
LONGEST_LOOK_BACK = 8
"""The number of weeks that are searched for an open day of the same weekday."""


def seasonal_naive(sales: Sales, examples: Examples) -> FloatArray:
    """(n,): the sales on the last open day of the same weekday up to the origin; the dish's level
    if the store was open on none of the last eight."""
    past, dish = Past(sales.quantities), examples.dish
    row = _weekday_row(examples.day, examples.horizon)
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
    row, level = _weekday_row(examples.day, examples.horizon), np.exp(examples.offset)
    return _weekday_mean(Past(sales.quantities), row, examples.dish, level)


def weekday_means(sales: Sales, day: NDArray[np.int64]) -> FloatArray:
    """(days, HORIZONS, dishes): :func:`weekday_mean` of these rows, seen from each of the days
    before."""
    past, horizon = Past(sales.quantities), np.arange(1, HORIZONS + 1)[:, None]
    dish, day = np.arange(len(sales.dishes)), day[:, None, None]
    level = past.level[np.maximum(day - horizon, 0), dish]
    return _weekday_mean(past, _weekday_row(day, horizon), dish, level)


def _weekday_mean(
    past: Past, row: NDArray[np.int64], dish: NDArray[np.integer], level: FloatArray
) -> FloatArray:
    sold, count = past.weekday_sums(4)
    at = np.maximum(row, 0)
    known = np.where(row >= 0, count[at, dish], 0.0)
    mean = sold[at, dish] / np.maximum(known, 1.0)
    return np.where(known > 0, mean, level)


def steadied(sales: Sales, examples: Examples, mean: FloatArray) -> FloatArray:
    """(n,): a model's forecast, averaged with the weekday mean where a dish has not been sold for
    long. Of the first days the rule knows less than the model, and with four months the model does
    better alone."""
    share = np.interp(examples.known_days, STEADY_DAYS, STEADY_SHARES)
    return np.asarray(mean + share * (weekday_mean(sales, examples) - mean))


def _weekday_row(day: NDArray[np.integer], horizon: NDArray[np.integer]) -> NDArray[np.int64]:
    """The row of the last same weekday up to the origin; negative if before the first day."""
    weeks = -(-horizon.astype(np.int64) // 7)
    return np.asarray(day.astype(np.int64) - 7 * weeks)


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
"""The methods to compare a candidate with. Without an active version, ``active`` is missing."""


MARGIN = 2.0
"""A candidate is refused if a method is better by more than so many standard errors, which follow
from the spread between the stores. Two weeks tell little: measured on nineteen windows of three
chains, a candidate that is not clearly worse than the rules in them is better in the next two."""
STORES_TO_TRIM = 5
TRIM_SHARE = 0.1


class GateDecision(NamedTuple):
    """Whether a candidate passes the gate, and why."""

    better: bool
    reason: str
    """``better``, ``no_better`` or ``not_judged``."""
    detail: str = ""
    """The methods that are better, with both deviances."""


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
    worse: float
    """The mean over the stores of the candidate's larger deviance / both deviances; negative if it
    is smaller."""
    error: float
    """The standard error of that mean; 0 for one store."""


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
    worse = [2 * _share(pair) - 1 for pair in pairs]

    def mean(of: int) -> float:
        total = math.fsum(pair[of]["deviance"] for pair in pairs)
        return total / math.fsum(pair[of]["count"] for pair in pairs)

    error = stdev(worse) / math.sqrt(len(worse)) if len(worse) > 1 else 0.0
    return Compared(mean(0), mean(1), fmean(worse), error)


def _share(pair: Pair) -> float:
    """The candidate's part of both deviances, from 0 to 1."""
    own, other = (each["deviance"] / each["count"] for each in pair)
    return own / (own + other) if own + other else 0.5


def _without_extremes(
    pairs: list[Pair],
) -> list[Pair]:
    if len(pairs) < STORES_TO_TRIM:
        return pairs
    cut = math.ceil(TRIM_SHARE * len(pairs) - 1e-9)
    return sorted(pairs, key=_share)[cut:-cut]


def judge(judged: Sequence[Judged]) -> GateDecision:
    """Decide whether the candidate holds against each method of :data:`TO_BEAT`.

    ``judged`` has the sums of each store. A candidate that is as good passes: it knows newer days.
    """
    compared = {method: compare(judged, method) for method in TO_BEAT}
    known = {method: each for method, each in compared.items() if each is not None}
    if not known:
        return GateDecision(False, "not_judged")
    better = [
        f"{method}: {each.other:.4f}, candidate: {each.own:.4f}"
        for method, each in known.items()
        if each.worse > MARGIN * each.error
    ]
    if better:
        return GateDecision(False, "no_better", "; ".join(better))
    return GateDecision(True, "better")
