"""Forecasts a store's next two weeks, by the chain's model or by a simple rule. Pure.

The store's own last days decide which: the rule is used if it was clearly better than the model on
days that the personal weights had not seen. The forecast names its method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from neural.forecasting.core import baselines, evaluation
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.dispersion import Dispersion, fitted, residual_sums
from neural.forecasting.core.features import (
    HORIZONS_EACH,
    Examples,
    forecast_examples,
    training_examples,
)
from neural.forecasting.core.protocol import Json
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales
from neural.forecasting.core.types import DishForecast

TRIAL_DAYS = 14
"""The number of last days that decide between the model and the simple rules."""
MARGIN = 0.9
"""A simple rule is chosen only below this share of the model's deviance. Without a margin, a choice
by so few days would be a matter of chance."""
LEAST_TRIED = 28
"""With fewer examples to compare on, the model is used."""
BLANK_DAYS = 28
MOST_BLANK_DISHES = 30

Rule = Callable[[Sales, Examples], FloatArray]
RULES: dict[str, Rule] = {
    "weekday_mean": baselines.weekday_mean,
    "seasonal_naive": baselines.seasonal_naive,
}


def forecast(content: Json | None, sales: Sales) -> Sequence[DishForecast]:
    """The forecast of each dish for the 14 days after the last known one.

    ``content`` is a model version's content, or None to use a rule. A forecast's method is
    ``blend`` or ``personal`` (the model with the store's own weights, with or without trees),
    ``global`` (the chain's model at the dishes' usual levels, for a store without history), or the
    name of a rule. Without a model and without dishes, the list is empty.
    """
    model = DemandModel.from_json(content["model"]) if content else None
    known = sales if sales.dishes else _blank(sales, model)
    if not known.dishes:
        return []
    dispersion = Dispersion.from_json(content["quality"]["dispersion"]) if content else None
    return _Outlook(known, model, dispersion).by_dish()


def _blank(sales: Sales, model: DemandModel | None) -> Sales:
    """The store as if it sold the chain's usual dishes and had a few days of unknown demand."""
    levels = dict(model.levels) if model else {}
    dishes = tuple(sorted(levels, key=lambda dish: (-levels[dish], dish))[:MOST_BLANK_DISHES])
    ahead = BLANK_DAYS + HORIZONS
    return replace(
        sales,
        first_day=sales.day(sales.days - BLANK_DAYS),
        dishes=dishes,
        names=dishes,
        quantities=np.full((BLANK_DAYS, len(dishes)), np.nan),
        promotion=np.zeros((ahead, len(dishes))),
        closed=_last(sales.closed.astype(np.float64), ahead) > 0,
        holiday=_last(sales.holiday, ahead),
        school_holiday=_last(sales.school_holiday, ahead),
    )


def _last(values: FloatArray, length: int) -> FloatArray:
    """The last ``length`` values, padded with zeros at the front."""
    return np.concatenate([np.zeros(max(length - len(values), 0)), values[-length:]])


@dataclass(frozen=True)
class _Outlook:
    sales: Sales
    model: DemandModel | None
    dispersion: Dispersion | None

    @cached_property
    def train(self) -> Examples:
        """Examples of all known days."""
        return self._examples(0, self.sales.days, horizons_each=HORIZONS_EACH)

    @cached_property
    def tried(self) -> Examples:
        """Examples of the last :data:`TRIAL_DAYS` days, seen from 1 to 14 days before."""
        return self._examples(self.sales.days - TRIAL_DAYS, self.sales.days)

    def _examples(self, first: int, end: int, horizons_each: int | None = None) -> Examples:
        return training_examples(
            self.sales, first_day=first, end_day=end, horizons_each=horizons_each
        )

    def by_dish(self) -> Sequence[DishForecast]:
        """The forecasts, in order of the dishes. A dish that has been sold for less than a week
        and that the chain does not know has no forecast."""
        ahead = forecast_examples(self.sales, typical=self._typical())
        method, mean = self._mean(ahead)
        dispersion = self.dispersion or self._own_dispersion(method)
        whole = self.sales.are_whole
        bands = dispersion.quantiles(mean, ahead.horizon, whole=whole)
        columns = np.column_stack([mean, bands])
        # If the store is closed on all of the days, every dish is forecast as closed.
        everything = range(len(self.sales.dishes))
        dishes = everything if self.sales.closed[self.sales.days :].all() else np.unique(ahead.dish)
        return [_of_dish(int(each), self.sales, ahead, columns, method) for each in dishes]

    def _typical(self) -> FloatArray | None:
        if self.model is None:
            return None
        levels = self.model.levels
        return np.array([levels.get(dish, np.nan) for dish in self.sales.dishes])

    def _mean(self, ahead: Examples) -> tuple[str, FloatArray]:
        method = self._chosen()
        if method in RULES:
            return method, RULES[method](self.sales, ahead)
        assert self.model is not None
        return method, self.model.forecast(ahead, self.model.personal_weights(self.train))

    def _chosen(self) -> str:
        """The method by which the store is forecast."""
        rules = self._deviances()
        if self.model is None:
            return min(rules, key=lambda name: rules[name])
        if not len(self.train):
            return "global"
        own = "blend" if self.model.forest is not None else "personal"
        best = min(rules, key=lambda name: rules[name])
        if len(self.tried) < LEAST_TRIED or rules[best] >= MARGIN * self._deviance_of_model():
            return own
        return best

    def _deviances(self) -> dict[str, float]:
        return {name: self._deviance(rule(self.sales, self.tried)) for name, rule in RULES.items()}

    def _deviance_of_model(self) -> float:
        """The model's deviance on the trial days, with personal weights that have not seen them."""
        assert self.model is not None
        before = self.train.where(self.train.day < self.sales.days - TRIAL_DAYS)
        weights = self.model.personal_weights(before)
        return self._deviance(self.model.forecast(self.tried, weights))

    def _deviance(self, mean: FloatArray) -> float:
        return float(evaluation.poisson_deviance(self.tried.target, mean).sum())

    def _own_dispersion(self, method: str) -> Dispersion:
        """The scatter of a rule's errors in the store's own past."""
        mean = RULES[method](self.sales, self.train)
        return fitted([residual_sums(self.train.target, mean, self.train.horizon)])


def _of_dish(
    place: int, sales: Sales, ahead: Examples, columns: FloatArray, method: str
) -> DishForecast:
    """One dish's forecast, with None for days on which the store is closed."""
    days: list[list[float | None]] = [[None] * HORIZONS for _ in range(4)]
    for row in np.flatnonzero(ahead.dish == place):
        for of, value in zip(days, columns[row], strict=True):
            of[int(ahead.horizon[row]) - 1] = round(float(value), 3)
    mean, p10, p50, p90 = days
    return DishForecast(
        dish=sales.dishes[place],
        method=method,
        mean=mean,
        p10=p10,
        p50=p50,
        p90=p90,
        uses_version=method not in RULES,
    )
