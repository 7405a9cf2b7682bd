"""Whether a candidate is published: it must beat what is there. Pure.

Every store that judges gives, for each method, its sums over days that nobody trained on
(``neural.forecasting.core.evaluation``). The measure is the Poisson deviance of a row, weighted
by rows: sums of all stores over counts of all stores. All methods are judged on the same rows.

A store could lie when it judges. So, from five stores on, those where the candidate did best and
worst against a method are left out of that comparison, a tenth at either end; and no store's
deviance counts for more than some times the median store's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

Sums: TypeAlias = Mapping[str, float]
Judged: TypeAlias = Mapping[str, Sums]
"""Sums by method."""

CANDIDATE = "candidate"
TO_BEAT = ("active", "seasonal_naive", "weekday_mean")
"""A round without an active version has no ``active``."""


MOST_TIMES_MEDIAN = 2.5
"""No store's deviance, all rows of it, counts for more than so many times the median store's."""
STORES_TO_TRIM = 5
TRIM_SHARE = 0.1


class GateDecision(NamedTuple):
    better: bool
    reason: str
    """``better``, ``no_better`` or ``not_judged``."""
    detail: str = ""
    """The method that is as good, and both measures."""


def add_up(judged: Iterable[Judged]) -> dict[str, dict[str, float]]:
    """The sums of all stores by method: exactly rounded, whatever the order of the stores."""
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
    """Poisson deviance a row; None where nothing was judged."""
    if not sums or not sums.get("count") or "deviance" not in sums:
        return None
    mean = sums["deviance"] / sums["count"]
    return mean if math.isfinite(mean) else None


class Compared(NamedTuple):
    """Deviance a row of the candidate, and of a method, over the stores that count."""

    own: float
    other: float


def compare(judged: Sequence[Judged], method: str) -> Compared | None:
    """The candidate beside a method; None where no store has judged both."""
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
    """Better than the active version, the seasonal naive forecast and the weekday mean?

    ``judged`` is what each store says. Equal is not better: a model that stays is one that people
    know.
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
