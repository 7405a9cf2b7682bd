"""Forecasts a store's next two weeks by the chain's model; without a model, by a simple rule. Pure.

No store chooses a rule where there is a model: two weeks of one store hardly tell which is better.
Measured on twelve windows of three chains, such a choice made forecasts worse. The forecast names
its method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from neural.forecasting.core import evaluation
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.dispersion import Dispersion, fitted, residual_sums
from neural.forecasting.core.doubtful import Deviating, deviating_days, without
from neural.forecasting.core.features import (
    HORIZONS_EACH,
    Examples,
    forecast_examples,
    training_examples,
)
from neural.forecasting.core.lags import Chain
from neural.forecasting.core.model_types import DishForecast
from neural.forecasting.core.protocol import Json
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales

TRIAL_DAYS = 14
"""The number of last days that decide which rule forecasts, if there is no model."""
MOST_MOVED = 1.25
"""A forecast is no further than this factor, up or down, from the one without the few days that
deviate most, until a person has confirmed them. Measured: benchmarks/first_days.py."""
SETTLED_DAYS, MOST_MOVED_AT_FIRST = 56, 2.0
"""The factor for a dish of fewer known days: of each weekday, its forecast knows few."""
LEAST_REPORTED = 0.5
"""People are told that a forecast was bounded if this changed it by so many portions on a day."""
BLANK_DAYS = 28
MOST_BLANK_DISHES = 30

Rule = Callable[[Sales, Examples], FloatArray]
RULES: dict[str, Rule] = {
    "weekday_mean": evaluation.weekday_mean,
    "seasonal_naive": evaluation.seasonal_naive,
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
    def deviating(self) -> Deviating:
        """The few days of each dish that deviate most, and that nobody has confirmed."""
        week = self.chain.week[: self.sales.days]
        return deviating_days(self.sales.quantities, week, self.sales.confirmed)

    @cached_property
    def settled(self) -> Sales:
        """The sales without the deviating days. The method follows from these, and no forecast is
        far from the one that they give."""
        days = [*self.deviating.high, *self.deviating.low]
        return replace(self.sales, quantities=without(self.sales.quantities, days))

    @cached_property
    def chain(self) -> Chain:
        """What the chain knows of the store's dishes."""
        return self.model.chain(self.sales) if self.model else Chain.unknown(self.sales)

    @cached_property
    def train(self) -> Examples:
        """Examples of all known days."""
        end = self.sales.days
        return training_examples(self.sales, first_day=0, end_day=end, horizons_each=HORIZONS_EACH)

    @cached_property
    def tried(self) -> Examples:
        """Examples of the last :data:`TRIAL_DAYS` days, seen from 1 to 14 days before."""
        end = self.sales.days
        return training_examples(
            self.settled, first_day=end - TRIAL_DAYS, end_day=end, chain=self.chain
        )

    def by_dish(self) -> Sequence[DishForecast]:
        """The forecasts, in order of the dishes. A dish that neither the store nor the chain has
        ever sold has no forecast."""
        ahead = forecast_examples(self.sales, chain=self.chain)
        free, settled = self._mean(self.sales), self._mean(self.settled)
        most = np.where(ahead.known_days < SETTLED_DAYS, MOST_MOVED_AT_FIRST, MOST_MOVED)
        mean = np.clip(free, settled / most, settled * most)
        dispersion = self.dispersion or self._own_dispersion()
        whole = self.sales.are_whole
        bands = dispersion.quantiles(mean, ahead.horizon, whole=whole, known_days=ahead.known_days)
        columns = np.column_stack([mean, bands])
        pulled = free - mean
        # If the store is closed on all of the days, every dish is forecast as closed.
        everything = range(len(self.sales.dishes))
        dishes = everything if self.sales.closed[self.sales.days :].all() else np.unique(ahead.dish)
        return [self._of_dish(int(each), ahead, columns, pulled) for each in dishes]

    def _mean(self, sales: Sales) -> FloatArray:
        """(n,): the forecast from these of the store's sales."""
        ahead = forecast_examples(sales, chain=self.chain)
        if self.method in RULES:
            return RULES[self.method](sales, ahead)
        assert self.model is not None
        return evaluation.steadied(sales, ahead, self.model.forecast(ahead, self.weights))

    @cached_property
    def weights(self) -> FloatArray:
        """The store's personal weights."""
        assert self.model is not None
        return self.model.personal_weights(self.train)

    @cached_property
    def method(self) -> str:
        """The method by which the store is forecast."""
        if self.model is None:
            return min(RULES, key=self._deviance)
        if not len(self.train):
            return "global"
        return "blend" if self.model.forest is not None else "personal"

    def _deviance(self, rule: str) -> float:
        mean = RULES[rule](self.settled, self.tried)
        return float(evaluation.poisson_deviance(self.tried.target, mean).sum())

    def _own_dispersion(self) -> Dispersion:
        """The scatter of a rule's errors in the store's own past, without the deviating days."""
        past = training_examples(
            self.settled, first_day=0, end_day=self.sales.days, horizons_each=HORIZONS_EACH
        )
        mean = RULES[self.method](self.settled, past)
        return fitted([residual_sums(past.target, mean, past.horizon)])

    def _of_dish(
        self, place: int, ahead: Examples, columns: FloatArray, pulled: FloatArray
    ) -> DishForecast:
        """One dish's forecast, with None for days on which the store is closed. ``pulled``, (n,),
        is by how much the forecast was held back."""
        days: list[list[float | None]] = [[None] * HORIZONS for _ in range(4)]
        for row in np.flatnonzero(ahead.dish == place):
            for of, value in zip(days, columns[row], strict=True):
                of[int(ahead.horizon[row]) - 1] = round(float(value), 3)
        mean, p10, p50, p90 = days
        of_dish = pulled[ahead.dish == place]
        is_reported = np.abs(of_dish).max(initial=0.0) >= LEAST_REPORTED
        in_doubt = self.deviating.high if of_dish.sum() > 0 else self.deviating.low
        return DishForecast(
            dish=self.sales.dishes[place],
            method=self.method,
            mean=mean,
            p10=p10,
            p50=p50,
            p90=p90,
            uses_version=self.method not in RULES,
            unconfirmed=[
                (self.sales.day(each.row), each.reported, each.usual)
                for each in in_doubt
                if is_reported and each.column == place
            ],
        )
