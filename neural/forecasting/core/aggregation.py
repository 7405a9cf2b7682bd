"""Aggregates the updates of many stores into one. Pure numpy.

An update is a float64 array, of the same shape for all stores: the change of the broadcast weights
that a store proposes. Sums are exactly rounded (math.fsum), so results depend neither on the order
in which stores answered nor on their names.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TypeAlias

import numpy as np

from neural.forecasting.core.protocol import AnswerRefused, TrainingConfig
from neural.forecasting.core.series import FloatArray

Updates: TypeAlias = Mapping[str, FloatArray]
"""Updates by store."""

LARGEST = 1e100
"""The largest number in an update. Products with counts stay finite, and no model needs more."""
MOST_ORDINARY_STORES = 2.5
"""The most that a store may weigh, in multiples of the median weight. Clipping alone does not bound
a store, because its claimed demand would multiply its update again."""


class TooFewUpdates(AnswerRefused):
    """There are fewer good updates (``found``) than the arithmetic needs (``needed``)."""

    def __init__(self, *, found: int, needed: int) -> None:
        super().__init__("too_few_updates", f"{found} of at least {needed}")
        self.found = found
        self.needed = needed


def update_norm(update: FloatArray) -> float:
    """The length (L2) of an update; 0.0 if it is empty. Correct even where squares overflow."""
    return math.hypot(*update.ravel().tolist())


def check_update(update: FloatArray, *, shape: tuple[int, ...]) -> None:
    """Raise :class:`AnswerRefused` (``wrong_type``, ``wrong_shape``, ``not_finite``,
    ``too_large``) unless the update can be aggregated."""
    if update.dtype != np.float64:
        raise AnswerRefused("wrong_type", f"{update.dtype} is not float64")
    if update.shape != shape:
        raise AnswerRefused("wrong_shape", f"{update.shape} is not {shape}")
    if not np.isfinite(update).all():
        raise AnswerRefused("not_finite")
    if np.abs(update).max(initial=0.0) > LARGEST:
        raise AnswerRefused("too_large", f"a number is beyond {LARGEST:g}")


def clip(update: FloatArray, *, norm: float) -> FloatArray:
    """The update, shortened to length ``norm`` if it is longer. Its direction stays.

    By rounding, the result may be longer than ``norm`` by some 1e-16 of it. Raises ValueError if
    ``norm`` is not positive and finite.
    """
    if not 0 < norm < math.inf:
        raise ValueError(f"a clipping norm is positive and finite, not {norm}")
    length = update_norm(update)
    # The update is first scaled to length 1: norm / length alone may underflow.
    return update.copy() if length <= norm else update / length * norm


def clip_to_median_norm(updates: Updates) -> dict[str, FloatArray]:
    """The updates, clipped to the median of their lengths.

    If fewer than half of the stores are hostile, an honest store's length bounds the median, and
    with it the influence of a hostile store. If the median is 0, every update becomes 0.
    """
    _stacked(updates, least=1)
    norm = median(update_norm(update) for update in updates.values())
    if norm == 0:
        return {store: np.zeros_like(update) for store, update in updates.items()}
    return {store: clip(update, norm=norm) for store, update in updates.items()}


def capped_weights(claimed: Mapping[str, float]) -> dict[str, float]:
    """The weight of each store: its claim (demand, or examples), but at most
    :data:`MOST_ORDINARY_STORES` times the median claim.

    Stores are not weighted equally, because errors count in portions and a large store has most of
    them. Raises :class:`AnswerRefused` (``wrong_count``) for a claim that is not a finite number
    above 0, and :class:`TooFewUpdates` without claims.
    """
    for store, amount in claimed.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise AnswerRefused("wrong_count", f"what {store} claims is no number")
        if not 0 < amount <= LARGEST:
            raise AnswerRefused("wrong_count", f"what {store} claims is no number above 0")
    if not claimed:
        raise TooFewUpdates(found=0, needed=1)
    most = MOST_ORDINARY_STORES * median(float(each) for each in claimed.values())
    return {store: min(float(amount), most) for store, amount in claimed.items()}


def without_leverage(updates: Updates, *, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights, with a limit for stores whose update points against the majority: such a store
    weighs no more than the median store, whatever it claims.

    The majority is the coordinate-wise median. An honest store may point against it by chance,
    often near the end of a training, and loses little by the limit.
    """
    stores, stacked = _stacked(updates, least=1)
    flat = stacked.reshape(len(stores), -1)
    against = flat @ np.median(flat, axis=0) < 0
    ordinary = median(weights.values())
    return {
        store: min(weights[store], ordinary) if is_against else weights[store]
        for store, is_against in zip(stores, against, strict=True)
    }


def weighted_mean(
    updates: Updates, *, weights: Mapping[str, float], least_updates: int = 1
) -> FloatArray:
    """The weighted mean of the updates (McMahan et al. 2017, arXiv:1602.05629). Raises
    ValueError unless each update has a positive, finite weight, and :class:`AnswerRefused` for
    fewer updates than ``least_updates``, for different shapes and for NaN.
    """
    stores, stacked = _stacked(updates, least=least_updates)
    if set(weights) != set(stores) or not all(0 < each < math.inf for each in weights.values()):
        raise ValueError("one positive weight is needed for each update")
    total = math.fsum(weights.values())
    shares = np.array([weights[store] / total for store in stores])
    mean = column_sums(stacked * shares.reshape(-1, *(1,) * (stacked.ndim - 1)))
    return _within(mean, stacked)


def trimmed_mean(updates: Updates, *, trim_share: float, least_updates: int = 1) -> FloatArray:
    """For each coordinate, the mean without the largest and smallest max(1, ⌈βn⌉) values
    (Yin et al. 2018, arXiv:1803.01498). All stores weigh the same.

    Raises ValueError unless ``trim_share`` β is from 0 to below .5. At least one value is cut at
    each end, so a single hostile store never has a say. Raises :class:`TooFewUpdates` if nothing
    would remain.
    """
    if not 0 <= trim_share < 0.5:
        raise ValueError(f"a share to trim is from 0 to below .5, not {trim_share}")
    cut = trimmed_count(len(updates), trim_share=trim_share)
    _, stacked = _stacked(updates, least=max(least_updates, 2 * cut + 1))
    inner = np.sort(stacked, axis=0)[cut : len(stacked) - cut]
    return _within(column_sums(inner) / len(inner), inner)


def trimmed_count(stores: int, *, trim_share: float) -> int:
    """The number of values that the trimmed mean cuts at each end: max(1, ⌈βn⌉)."""
    # In floating point .07 × 100 is 7.000000000000001; it must count as 7.
    return max(1, math.ceil(trim_share * stores - 1e-9))


def column_sums(stacked: FloatArray) -> FloatArray:
    """The sums over the first axis, exactly rounded and therefore independent of the order."""
    columns = stacked.reshape(len(stacked), -1).T
    return np.array([math.fsum(column) for column in columns.tolist()]).reshape(stacked.shape[1:])


def aggregate(
    *, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]
) -> FloatArray:
    """One update from those of the stores: their mean, clipped at the median norm and weighted by
    what each store claims of its size (its demand, or its number of examples).

    Each update is first clipped to the config's clipping norm, in case the store has not done so.
    With 3 hostile stores of 35, coordinate-wise medians and trimmed means were no better.
    Raises :class:`AnswerRefused` (too few, not finite, wrong shapes or counts).
    """
    _stacked(updates, least=1)
    clipped = {store: clip(update, norm=config.clipping_norm) for store, update in updates.items()}
    clipped = clip_to_median_norm(clipped)
    weights = without_leverage(clipped, weights=capped_weights(claimed))
    return weighted_mean(clipped, weights=weights, least_updates=config.least_stores)


def _stacked(updates: Updates, *, least: int) -> tuple[Sequence[str], FloatArray]:
    """The stores in order, and their updates as one array (stores, \\*shape)."""
    stores = sorted(updates)
    if len(stores) < max(1, least):
        raise TooFewUpdates(found=len(stores), needed=max(1, least))
    for store in stores:
        check_update(updates[store], shape=updates[stores[0]].shape)
    return stores, np.stack([updates[store] for store in stores])


def _within(mean: FloatArray, stacked: FloatArray) -> FloatArray:
    """The mean, clipped to the range of its values: rounding may exceed it by the last bit."""
    return np.clip(mean, stacked.min(axis=0), stacked.max(axis=0))
