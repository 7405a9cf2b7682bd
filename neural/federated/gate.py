"""Whether a candidate is published: it must beat what is there. Pure.

Every store that judges gives, for each method, its sums over days that nobody trained on
(``neural.federated.evaluation``). The measure is the Poisson deviance of a row, weighted by rows:
sums of all stores over counts of all stores. All methods are judged on the same rows.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

Sums: TypeAlias = Mapping[str, float]
Judged: TypeAlias = Mapping[str, Sums]
"""Sums by method."""

CANDIDATE = "candidate"
TO_BEAT = ("active", "seasonal_naive", "weekday_mean")
"""A round without an active version has no ``active``."""


class Verdict(NamedTuple):
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


def judge(totals: Judged) -> Verdict:
    """Better than the active version, the seasonal naive forecast and the weekday mean?

    Equal is not better: a model that stays is one that people know.
    """
    own = deviance(totals.get(CANDIDATE))
    others = {name: deviance(totals.get(name)) for name in TO_BEAT}
    known = {name: value for name, value in others.items() if value is not None}
    if own is None or not known:
        return Verdict(False, "not_judged")
    for name, value in known.items():
        if not own < value:
            return Verdict(False, "no_better", f"{name}: {value:.4f}, candidate: {own:.4f}")
    return Verdict(True, "better")
