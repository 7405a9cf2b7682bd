"""One update from the updates of many stores. Pure numpy.

An update is an array of float64 of any shape, the same for all stores: what a store would add to
the broadcast weights. Results do not depend on the order in which stores answered, nor on which
store is called what: sums are exactly rounded (math.fsum), so that no order of adding shows.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np

from neural.forecasting.core.protocol import AnswerRefused, TrainingConfig
from neural.forecasting.core.series import FloatArray

Updates: TypeAlias = Mapping[str, FloatArray]
"""By store."""

LARGEST = 1e100
"""No number of an update is larger: products with counts stay finite, and no model has such."""
MOST_ORDINARY_STORES = 2.5
"""No store weighs more than so many stores of the median weight. Clipping bounds what a store says;
a claim of demand would multiply it again."""


class TooFewUpdates(AnswerRefused):
    """There are fewer good updates than the arithmetic needs."""

    def __init__(self, *, found: int, needed: int) -> None:
        super().__init__("too_few_updates", f"{found} of at least {needed}")
        self.found = found
        self.needed = needed


def update_norm(update: FloatArray) -> float:
    """The length (L2) of an update; 0.0 of an empty one. Exact where squares would overflow."""
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
    """The update, shortened to length ``norm`` if it is longer; its direction stays.

    To within rounding: the result may be longer than ``norm`` by some 1e-16 of it. ValueError
    if ``norm`` is not positive and finite.
    """
    if not 0 < norm < math.inf:
        raise ValueError(f"a clipping norm is positive and finite, not {norm}")
    length = update_norm(update)
    # First to length 1: norm / length alone may be too small a number.
    return update.copy() if length <= norm else update / length * norm


def clip_to_median_norm(updates: Updates, *, factor: float = 1.0) -> dict[str, FloatArray]:
    """The updates, none longer than ``factor`` times the median of their lengths.

    With fewer than half of the stores hostile, an honest store's length bounds the median, and
    so what any hostile store can add. Where the median is 0, every update becomes 0.
    """
    _stacked(updates, least=1)
    norm = factor * median(update_norm(update) for update in updates.values())
    if norm == 0:
        return {store: np.zeros_like(update) for store, update in updates.items()}
    return {store: clip(update, norm=norm) for store, update in updates.items()}


def capped_weights(claimed: Mapping[str, float]) -> dict[str, float]:
    """What each store weighs: as much as it claims (demand, or examples), at most
    :data:`MOST_ORDINARY_STORES` times the median claim.

    By demand and not alike: errors are counted in portions, and most are a large store's. A claim
    that is no finite number above 0 is refused (``wrong_count``).
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
    """The weights, but for stores whose update points against most others': they weigh no more
    than the median store, whatever they claim.

    What most say is the coordinate-wise median. Honest stores differ from it by chance, near the
    end of a training often, and lose little by it.
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
    """The mean of the updates by weight: FedAvg (McMahan et al. 2017, arXiv:1602.05629).

    FedProx (Li et al. 2020, arXiv:1812.06127) differs only in what a store minimises. Weights
    are positive and finite, one for each update, or ValueError is raised. Refuses fewer updates
    than ``least_updates``, other shapes, NaN.
    """
    stores, stacked = _stacked(updates, least=least_updates)
    if set(weights) != set(stores) or not all(0 < each < math.inf for each in weights.values()):
        raise ValueError("one positive weight is needed for each update")
    total = math.fsum(weights.values())
    shares = np.array([weights[store] / total for store in stores])
    mean = column_sums(stacked * shares.reshape(-1, *(1,) * (stacked.ndim - 1)))
    return _within(mean, stacked)


def trimmed_mean(updates: Updates, *, trim_share: float, least_updates: int = 1) -> FloatArray:
    """Coordinate by coordinate, the mean without the largest and smallest max(1, ⌈βn⌉) values
    (Yin et al. 2018, arXiv:1803.01498). All stores weigh the same.

    ``trim_share`` β is from 0 to below .5, or ValueError is raised. At least one value is cut at
    each end, so that one hostile store never has a say. Refuses fewer updates than leave one.
    """
    if not 0 <= trim_share < 0.5:
        raise ValueError(f"a share to trim is from 0 to below .5, not {trim_share}")
    cut = trimmed_count(len(updates), trim_share=trim_share)
    _, stacked = _stacked(updates, least=max(least_updates, 2 * cut + 1))
    kept = np.sort(stacked, axis=0)[cut : len(stacked) - cut]
    return _within(column_sums(kept) / len(kept), kept)


def trimmed_count(stores: int, *, trim_share: float) -> int:
    """How many values the trimmed mean cuts at each end: max(1, ⌈βn⌉)."""
    # .07 × 100 is 7.000000000000001 to a computer, and shall be 7.
    return max(1, math.ceil(trim_share * stores - 1e-9))


def coordinate_median(updates: Updates, *, least_updates: int = 3) -> FloatArray:
    """Coordinate by coordinate, the median (Yin et al. 2018, arXiv:1803.01498); of an even
    number, the mean of the two in the middle. All stores weigh the same.

    The median of two is their mean, which protects nobody: fewer than three are refused unless
    ``least_updates`` says otherwise.
    """
    _, stacked = _stacked(updates, least=least_updates)
    return np.asarray(np.median(stacked, axis=0), dtype=np.float64)


def column_sums(stacked: FloatArray) -> FloatArray:
    """The sums over the first axis, exactly rounded, whatever the order."""
    columns = stacked.reshape(len(stacked), -1).T
    return np.array([math.fsum(column) for column in columns.tolist()]).reshape(stacked.shape[1:])


class AggregationFunction(Protocol):
    """How updates become one. ``updates`` and ``claimed`` have the same stores."""

    def __call__(
        self, *, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]
    ) -> FloatArray:
        """The aggregate; raises :class:`AnswerRefused` where it cannot be had."""


def _mean(*, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]) -> FloatArray:
    """Clipped at the median norm: with 3 hostile stores of 35 as good as the trimmed mean."""
    clipped = clip_to_median_norm(updates)
    weights = without_leverage(clipped, weights=capped_weights(claimed))
    return weighted_mean(clipped, weights=weights, least_updates=config.least_stores)


def _trimmed_mean(
    *, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]
) -> FloatArray:
    return trimmed_mean(updates, trim_share=config.trim_share, least_updates=config.least_stores)


def _median(
    *, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]
) -> FloatArray:
    return coordinate_median(updates, least_updates=max(3, config.least_stores))


STRATEGIES: Mapping[str, AggregationFunction] = MappingProxyType(
    {"fedavg": _mean, "fedprox": _mean, "trimmed_mean": _trimmed_mean, "median": _median}
)
"""By the name that a plan gives, ``TrainingConfig.strategy``."""


def aggregate(
    *, config: TrainingConfig, updates: Updates, claimed: Mapping[str, float]
) -> FloatArray:
    """One update from those of the stores, by the config's strategy. ``claimed`` is what each says
    of its size: its demand, or how many examples it has.

    Each is clipped to the config's clipping norm first, whatever a store promised. Raises
    :class:`AnswerRefused` (too few, not finite, wrong shapes or counts), and ValueError for an
    unknown strategy.
    """
    if config.strategy not in STRATEGIES:
        raise ValueError(f"strategy is one of {', '.join(STRATEGIES)}, not {config.strategy}")
    _stacked(updates, least=1)
    clipped = {store: clip(update, norm=config.clipping_norm) for store, update in updates.items()}
    return STRATEGIES[config.strategy](config=config, updates=clipped, claimed=claimed)


def _stacked(updates: Updates, *, least: int) -> tuple[Sequence[str], FloatArray]:
    """The stores in order, and (stores, \\*shape)."""
    stores = sorted(updates)
    if len(stores) < max(1, least):
        raise TooFewUpdates(found=len(stores), needed=max(1, least))
    for store in stores:
        check_update(updates[store], shape=updates[stores[0]].shape)
    return stores, np.stack([updates[store] for store in stores])


def _within(mean: FloatArray, stacked: FloatArray) -> FloatArray:
    """No mean is beyond what it is the mean of; rounding may have it so by a last bit."""
    return np.clip(mean, stacked.min(axis=0), stacked.max(axis=0))
