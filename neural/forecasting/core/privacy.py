"""Differential privacy of the linear weights, at the level of a store. Pure.

A *release* is one noisy mean of updates, which a round broadcasts. The other stores and the readers
of model versions see all releases. From them they learn almost nothing about whether one store took
part, let alone about one of its days: (ε, δ)-differential privacy, one store added or removed
(Dwork & Roth 2014, https://doi.org/10.1561/0400000042; McMahan et al. 2018, arXiv:1710.06963). The
coordinator sees each store's update and is trusted.

Each update is clipped to length C, so one store changes the sum by at most C. The sum is divided by
a number that does not depend on who answered. Gaussian noise of standard deviation z·C, divided
by the same number, is added to each coordinate. z is the noise multiplier.

This ε does not cover anything else that the same stores release (sums for standardising, quantiles,
tree sums, validation sums).
"""

import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from neural.forecasting.core.aggregation import (
    TooFewUpdates,
    Updates,
    check_update,
    clip,
    column_sums,
)
from neural.forecasting.core.series import FloatArray
from neural.kit.errors import PermanentError

Noise: TypeAlias = Callable[[tuple[int, ...], float], FloatArray]
"""``noise(shape, standard_deviation)``: independent Gaussian numbers of mean 0."""

GRID_BITS = 24
"""Releases are rounded to 2^-24 of the noise's standard deviation, or less."""

LEAST_NOISE, MOST_NOISE = 1e-3, 1e5
"""The noise multipliers between which the accountant's floating point is sound (far below them it
finds an ε of 0). Below the first, where ε is over 500,000, ε counts as infinite. Above the second,
ε counts as it is there."""


class PrivacyBudgetSpent(PermanentError):
    """The planned releases would cost more privacy than the budget has left."""

    def __init__(self, *, epsilon: float, epsilon_after: float, budget_epsilon: float) -> None:
        super().__init__(
            f"epsilon is {epsilon:.3g} and would be {epsilon_after:.3g}, "
            f"more than the budget of {budget_epsilon:.3g}"
        )
        self.epsilon = epsilon
        self.epsilon_after = epsilon_after
        self.budget_epsilon = budget_epsilon


class PrivacyAccountantMissing(PermanentError):
    """The package dp-accounting is not installed; without it, nothing is released."""

    def __init__(self) -> None:
        super().__init__(
            "differential privacy needs the package dp-accounting: "
            "install zhilian-neural[privacy], or in a checkout requirements-privacy.txt"
        )


def private_mean(
    updates: Updates,
    *,
    shape: tuple[int, ...],
    invited_stores: int,
    clipping_norm: float,
    noise_multiplier: float,
    noise: Noise | None = None,
    least_updates: int = 1,
) -> FloatArray:
    """A noisy mean of the updates (float64 of ``shape``), which all have the same weight.

    The denominator is ``invited_stores``, however many stores answered: a store that did not answer
    counts as an update of zeros, so its absence changes the mean by no more than its answer does.
    The noise comes from the operating system's generator unless ``noise`` is given (in tests). Two
    calls are two releases with different noise: keep the first result, and never draw again.

    Raises :class:`AnswerRefused` for too few updates or one of another type or shape, and
    ValueError for more updates than invited stores, or a noise multiplier or norm that is not
    positive and finite.
    """
    if len(updates) > invited_stores:
        raise ValueError(f"{len(updates)} stores answered, {invited_stores} were invited")
    if len(updates) < max(1, least_updates):
        raise TooFewUpdates(found=len(updates), needed=max(1, least_updates))
    deviation = noise_deviation(
        clipping_norm=clipping_norm,
        noise_multiplier=noise_multiplier,
        invited_stores=invited_stores,
    )
    mean = _clipped_sum(updates, shape=shape, norm=clipping_norm) / invited_stores
    drawn = (noise or gaussian_noise)(shape, deviation)
    return to_grid(mean + drawn, standard_deviation=deviation)


def noise_deviation(*, clipping_norm: float, noise_multiplier: float, invited_stores: int) -> float:
    """The standard deviation of the noise on each coordinate of the mean: z·C / stores."""
    for name, value in (("clipping norm", clipping_norm), ("noise multiplier", noise_multiplier)):
        if not 0 < value < math.inf:
            raise ValueError(f"a {name} is positive and finite, not {value}")
    return noise_multiplier * clipping_norm / invited_stores


def _clipped_sum(updates: Updates, *, shape: tuple[int, ...], norm: float) -> FloatArray:
    for store in sorted(updates):
        check_update(updates[store], shape=shape)
    # The sum is exactly rounded, because one more store could otherwise change the rounding of
    # all the others.
    return column_sums(np.stack([clip(update, norm=norm) for update in updates.values()]))


def gaussian_noise(shape: tuple[int, ...], standard_deviation: float) -> FloatArray:
    """Independent Gaussian numbers from the operating system's generator, which nobody can predict.
    (numpy's generators can be predicted from their past numbers.)

    It uses Box & Muller (1958, https://doi.org/10.1214/aoms/1177706645) in float64 from uniform
    numbers of 64 bits. None is beyond 9.5 standard deviations, where 1e-20 of a Gaussian lies. In
    floating point some results never occur, so the last bits of value + noise can reveal the value
    (Mironov 2012, https://doi.org/10.1145/2382196.2382264): round with :func:`to_grid`.
    """
    size = math.prod(shape)
    pairs = (size + 1) // 2
    bits = np.frombuffer(secrets.token_bytes(16 * pairs), dtype="<u8").reshape(2, pairs)
    # Adding a half keeps the numbers above 0, because 0 has no logarithm.
    uniform = (bits.astype(np.float64) + 0.5) / 2.0**64
    radius = np.sqrt(-2.0 * np.log(uniform[0]))
    angle = 2.0 * np.pi * uniform[1]
    gaussian = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]
    return np.asarray(gaussian.reshape(shape) * standard_deviation, dtype=np.float64)


def to_grid(values: FloatArray, *, standard_deviation: float) -> FloatArray:
    """The values, rounded to a grid that depends on the noise's standard deviation alone: the
    largest power of two that is at most 2^-``GRID_BITS`` of it.

    Each point then stands for some 2^28 values of the noise, so the gaps between these values no
    longer reveal the value that the noise was added to. Rounding afterwards costs no privacy.
    """
    grid = 2.0 ** (math.floor(math.log2(standard_deviation)) - GRID_BITS)
    return np.asarray(np.round(values / grid) * grid, dtype=np.float64)


def epsilon_of(releases: Iterable[float], *, delta: float) -> float:
    """The ε of all these releases together, each given by its noise multiplier, at this δ.

    Releases with noise multipliers z₁, z₂, … from the same stores are exactly equivalent to one
    release with 1/z² = Σ 1/zᵢ², even where later rounds depend on earlier releases (Dong, Roth & Su
    2019, arXiv:1905.02383). Its ε is that of the analytic Gaussian mechanism (Balle & Wang 2018,
    arXiv:1805.06530), computed by Google's dp-accounting. ε is 0 without releases, and infinite
    with next to no noise (together below :data:`LEAST_NOISE`). Raises ValueError for δ outside
    (0, 1) or a negative noise multiplier, and :class:`PrivacyAccountantMissing`.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta is between 0 and 1, not {delta}")
    multipliers = list(releases)
    if not all(each >= 0 for each in multipliers):  # this refuses NaN, too
        raise ValueError("a noise multiplier is not negative")
    if not multipliers:
        return 0.0
    if min(multipliers) < LEAST_NOISE:
        return math.inf
    # The smallest is factored out, because 1/z² itself may overflow.
    least = min(multipliers)
    together = least / math.sqrt(math.fsum((least / each) ** 2 for each in multipliers))
    if together < LEAST_NOISE:
        return math.inf
    # With much noise dp-accounting takes the logarithm of 0; its result is right all the same.
    with np.errstate(divide="ignore"):
        return float(_accountant().get_epsilon_gaussian(min(together, MOST_NOISE), delta))


def check_budget(
    past: Sequence[float], planned: Sequence[float], *, budget_epsilon: float, delta: float
) -> float:
    """The ε after the planned releases, if the budget allows for them.

    ``past`` and ``planned`` are noise multipliers, one for each release; a past release counts even
    if nothing was published from it. Raises :class:`PrivacyBudgetSpent` if ε would exceed
    ``budget_epsilon``, and the errors of :func:`epsilon_of`.
    """
    after = epsilon_of([*past, *planned], delta=delta)
    # Not `after > budget`: a budget of NaN must allow for nothing.
    if not after <= budget_epsilon:
        raise PrivacyBudgetSpent(
            epsilon=epsilon_of(past, delta=delta),
            epsilon_after=after,
            budget_epsilon=budget_epsilon,
        )
    return after


def _accountant() -> Any:
    """dp-accounting, imported late: few installations need it, and its import takes a second."""
    try:
        import dp_accounting
    except ImportError:
        raise PrivacyAccountantMissing from None
    return dp_accounting
