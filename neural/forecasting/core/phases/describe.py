"""The phase in which stores describe their data: examples, features, usual levels of dishes. Pure.

From the descriptions come the standard of the features, the bins of the trees and the usual levels.
"""

from collections.abc import Sequence

import numpy as np

from neural.forecasting.core import aggregation, binning, glm
from neural.forecasting.core.days import special_days
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.features import FEATURES, SCHEMA
from neural.forecasting.core.phases.grow import form_of
from neural.forecasting.core.phases.phase import (
    LARGEST_DEMAND,
    MOST_DISHES,
    Answers,
    Combined,
    Phase,
    StorePart,
    arrays,
    typical,
)
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig
from neural.forecasting.core.series import FloatArray, Sales
from neural.forecasting.core.trees.forest import PartialForest, begin

LEVEL_DAYS, WEEK_DAYS = 28, 56
LARGEST_WEEKDAY = 7.0
"""The sales of a weekday / those of all days: a store that opens on one day of the week has 7."""
LARGEST_MEAN = 1e3
"""The limit of a feature's mean: features are logarithms of ratios, shares and flags."""
STORES_OF_A_LEVEL = 3
"""At least this many stores must sell a dish before its usual level is shared."""


class Describe(Phase):
    """The first question of a round; its answers initialise the model."""

    name = "describe"
    keys = frozenset({"base", "examples", "demand", "mean", "square", "sketch", "levels", "week"})

    def base(self, server_state: Json, number: int) -> str:
        """The hash of the features, because there is no model yet."""
        return SCHEMA[:16]

    def answer(self, store: StorePart) -> Json:
        own = store.train.values
        values = own.astype(np.float64)
        return {
            "base": store.base,
            "examples": len(store.train),
            "demand": float(store.train.target.mean()),
            "mean": encode(values.mean(axis=0), dtype="<f8"),
            "square": encode(np.einsum("ij,ij->j", values, values) / len(values), dtype="<f8"),
            "sketch": binning.sketch(values=own) if store.config.trees else None,
            "levels": _levels_of(store.sales),
            "week": _week_of(store.sales),
        }

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        demand = answer["demand"]
        if not isinstance(demand, float) or not 0 <= demand < LARGEST_DEMAND:
            raise AnswerRefused("out_of_range", "demand")
        size = len(FEATURES)
        mean = decode(answer["mean"], dtype="<f8", shape=(size,))
        square = decode(answer["square"], dtype="<f8", shape=(size,))
        if (np.abs(mean) > LARGEST_MEAN).any() or (square < mean**2 * (1 - 1e-6) - 1e-9).any():
            raise AnswerRefused("out_of_range", "means and squares of features")
        if (square > LARGEST_MEAN**2).any():
            raise AnswerRefused("out_of_range", "squares of features")
        if config.trees:
            binning.check_sketch(answer["sketch"], features=size)
        _check_levels(answer["levels"])
        week = decode(answer["week"], dtype="<f8", shape=(7,))
        if (week < 0).any() or (week > LARGEST_WEEKDAY).any():
            raise AnswerRefused("out_of_range", "a weekday's sales")

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        standard = _standard(answers)
        forest = _forest(config, answers)
        model = DemandModel(
            standard=standard,
            weights=_start(server_state["active"], standard),
            variance=np.zeros(standard.size),
            forest=forest,
            levels=_levels(answers),
            week=_week(answers),
        )
        return Combined({"model": model.as_json(), "fits": 0})


def _levels_of(sales: Sales) -> dict[str, float]:
    """By dish: mean portions a day over the last four weeks, to three significant digits."""
    last = sales.quantities[-LEVEL_DAYS:]
    known = np.isfinite(last)
    count = known.sum(axis=0)
    mean = np.where(known, last, 0.0).sum(axis=0) / np.maximum(count, 1)
    return {
        dish: float(f"{mean[place]:.3g}")
        for place, dish in enumerate(sales.dishes)
        if count[place] >= LEVEL_DAYS // 4
    }


def _week_of(sales: Sales) -> Json:
    """(7,), from Monday: the mean sales of each weekday in the last eight weeks, / those of all
    days, to two digits; 0 for a weekday without a known ordinary day. Special days do not count."""
    last = slice(max(sales.days - WEEK_DAYS, 0), sales.days)
    ordinary = np.isfinite(sales.quantities[last]).any(axis=1) & ~special_days(sales)[last]
    sold = np.nansum(sales.quantities[last], axis=1) * ordinary
    weekday = (sales.first_day.weekday() + np.arange(last.start, last.stop)) % 7
    mean = np.bincount(weekday, sold, 7) / np.maximum(np.bincount(weekday, ordinary, 7), 1)
    share = mean * ordinary.sum() / max(sold.sum(), 1e-9)
    return encode(np.minimum(share.round(2), LARGEST_WEEKDAY))


def _check_levels(levels: object) -> None:
    if not isinstance(levels, dict) or len(levels) > MOST_DISHES:
        raise AnswerRefused("wrong_type", "levels is no table of dishes")
    for dish, level in levels.items():
        if not isinstance(dish, str) or len(dish) > 200 or not isinstance(level, float):
            raise AnswerRefused("wrong_type", "a level of a dish")
        if not 0 <= level < 1e9:
            raise AnswerRefused("out_of_range", "a level of a dish")


def _standard(answers: Answers) -> glm.Standard:
    mean, square = (typical(arrays(answers, name, len(FEATURES))) for name in ("mean", "square"))
    return glm.agreed_standard([{"count": np.ones(1), "sums": mean, "squares": square}])


def _start(active: Json | None, standard: glm.Standard) -> FloatArray:
    """The weights in force, converted to the new standard; zeros if there are none."""
    if active is None:
        return np.zeros(standard.size)
    before = DemandModel.from_json(active)
    slopes = before.weights[1:] / before.standard.scale
    shift = float(slopes @ (standard.mean - before.standard.mean))
    return np.concatenate([[before.weights[0] + shift], slopes * standard.scale])


def _forest(config: TrainingConfig, answers: Answers) -> PartialForest | None:
    form = form_of(config)
    if form is None:
        return None
    bins = binning.agree(
        sketches=[each["sketch"] for each in answers.values()],
        bins=config.bins,
        features=len(FEATURES),
        # As elsewhere, no store's claim counts for more than a few ordinary stores.
        most_examples=_most_examples(config, [each["examples"] for each in answers.values()]),
    )
    demands = {store: np.array([each["demand"]]) for store, each in answers.items()}
    return begin(form=form, bins=bins, unit=max(float(typical(demands)[0]), 1e-3))


def _most_examples(config: TrainingConfig, claimed: Sequence[int]) -> int:
    ordinary = aggregation.MOST_ORDINARY_STORES * float(np.median(claimed))
    return max(min(config.max_examples, int(ordinary)), 1)


def _levels(answers: Answers) -> dict[str, float]:
    """The median level of each dish that at least :data:`STORES_OF_A_LEVEL` stores sell."""
    found: dict[str, list[float]] = {}
    for answer in answers.values():
        for dish, level in answer["levels"].items():
            found.setdefault(dish, []).append(level)
    return {
        dish: float(f"{np.median(levels):.3g}")
        for dish, levels in sorted(found.items())
        if len(levels) >= STORES_OF_A_LEVEL
    }


def _week(answers: Answers) -> list[float]:
    """(7,), from Monday: the median of the stores that sold something on the weekday, with mean 1.
    1 for a weekday that too few stores know."""
    weeks = np.array(list(arrays(answers, "week", 7).values()))
    known = (weeks > 0).sum(axis=0) >= STORES_OF_A_LEVEL
    median = np.nanmedian(np.where((weeks > 0) | ~known, weeks, np.nan), axis=0)
    week = np.where(known, median, 1.0)
    return [float(each) for each in (week / week.mean()).round(3)]
