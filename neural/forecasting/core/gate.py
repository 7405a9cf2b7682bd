"""The gate: decides whether a candidate model may be published. Pure.

A candidate must beat the active version and the simple rules. Each store that judges sends, for
each method, its sums over days that nobody trained on (``neural.forecasting.core.evaluation``).
The measure is the Poisson deviance per row: the sums of all stores / the counts of all stores. All
methods are judged on the same rows.

A judging store could lie. So, from five stores on, the tenth of the stores where the candidate did
best against a method, and the tenth where it did worst, are left out of that comparison. And no
store's deviance counts for more than :data:`MOST_TIMES_MEDIAN` times the median store's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

Sums: TypeAlias = Mapping[str, float]
Judged: TypeAlias = Mapping[str, Sums]
"""One store's sums by method."""

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


def deviance(sums: Sums | None) -> float | None:
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


def _larger(pair: tuple[Sums, Sums]) -> float:
    return max(each["deviance"] for each in pair)


def _without_extremes(pairs: list[tuple[Sums, Sums]]) -> list[tuple[Sums, Sums]]:
    if len(pairs) < STORES_TO_TRIM:
        return pairs
    cut = math.ceil(TRIM_SHARE * len(pairs) - 1e-9)

    def advantage(pair: tuple[Sums, Sums]) -> float:
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
