"""The methods that are compared. Each is a function from a window to forecasts by store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from benchmarks.forecasts.windows import Task
from neural.forecasting.core import aggregation, binning, evaluation, expectation, glm
from neural.forecasting.core.demand_model import SHARE_BEFORE_TREES, DemandModel, blended
from neural.forecasting.core.doubtful import doubtful_days, without
from neural.forecasting.core.features import FEATURES, HORIZONS_EACH, Examples, training_examples
from neural.forecasting.core.glm import FARTHEST
from neural.forecasting.core.participant import Simulated, simulate
from neural.forecasting.core.protocol import Json, TrainingConfig
from neural.forecasting.core.series import HORIZONS, Sales
from neural.forecasting.core.trees import growing
from neural.forecasting.core.trees import sums as trees_sums
from neural.forecasting.core.trees.forest import Form, PartialForest, begin
from neural.forecasting.demand_forecast import DEMAND_FORECAST


def grown(task: Task, *, form: Form, bins: int = TrainingConfig.bins) -> PartialForest:
    """The finished trees. All stores are one group: the sums are exact, so grouping makes no
    difference."""
    agreed = binning.agree(
        sketches=[binning.sketch(values=each.values) for each in task.train.values()],
        bins=bins,
        features=len(FEATURES),
    )
    mean = np.mean([float(each.target.mean()) for each in task.train.values()])
    ensemble = begin(form=form, bins=agreed, unit=max(float(mean), 1e-3))
    rows = trees_sums.joined(
        [
            trees_sums.rows_of(
                store=name,
                codes=binning.binned(values=each.values, bins=agreed),
                offset=each.offset,
                target=each.target,
            )
            for name, each in task.train.items()
        ]
    )
    memory: dict[str, object] = {}
    while not ensemble.is_complete:
        told = trees_sums.sums(forest=ensemble, rows=rows, memory=memory)
        ensemble = growing.grown(forest=ensemble, sums=told.sums)
    return ensemble


def margins(ensemble: PartialForest, values: np.ndarray) -> np.ndarray:
    """Log of forecast / level."""
    codes = binning.binned(values=values, bins=ensemble.bins)
    return np.clip(ensemble.finished.margins(codes), -FARTHEST, FARTHEST)


def served(content: Json | None, sales: Sales) -> np.ndarray:
    """(4, HORIZONS, dishes): mean, P10, P50 and P90 as they are stored for a store whose rows were
    read as they are in production; NaN where there is no forecast."""
    believed = without(sales.quantities, doubtful_days(sales.quantities, sales.confirmed))
    found = np.full((4, HORIZONS, len(sales.dishes)), np.nan)
    for each in expectation.forecast(content, replace(sales, quantities=believed)):
        lists = (each.mean, each.p10, each.p50, each.p90)
        found[:, :, sales.dishes.index(each.dish)] = np.array(lists, dtype=float)
    return found


Forecasts = dict[str, np.ndarray]
Train = Callable[[glm.LocalObjective, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All hyperparameters. They are chosen on earlier windows than those reported."""

    ridge: float = 0.01
    proximal: float = 0.5
    exchanges: int = 10
    spread_ridge: float = 0.03
    adam_rate: float = 0.03
    local_ridge: float = 0.1
    fine_tuning_proximal: float = 0.5
    pooled_ridge: float = 0.03
    form: Form = field(default_factory=Form)
    leaves: int = 15
    trees: int = 200
    rate: float = 0.05
    least_in_leaf: int = 50


class Window:
    """A task with what several methods share, each part computed once."""

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings = task, settings

    @cached_property
    def standard(self) -> glm.Standard:
        parts = [glm.standard_sums(each.values) for each in self.task.train.values()]
        return glm.agreed_standard(parts)

    @cached_property
    def problems(self) -> dict[str, glm.LocalObjective]:
        return {name: glm.problem(each, self.standard) for name, each in self.task.train.items()}

    @cached_property
    def shares(self) -> np.ndarray:
        demand = {name: each.total for name, each in self.problems.items()}
        return np.array(list(aggregation.capped_weights(demand).values()))

    def temper(self, name: str) -> float:
        examples = self.task.train[name]
        days = len(np.unique(examples.day))
        return glm.temper(days, glm.sightings(examples))

    def rounds(self, train: Train, count: int) -> np.ndarray:
        weights = np.zeros(self.standard.size)
        for _ in range(count):
            own = [train(each, weights) for each in self.problems.values()]
            weights = np.average(own, axis=0, weights=self.shares)
        return weights

    @cached_property
    def fedprox(self) -> np.ndarray:
        s = self.settings
        return self.rounds(
            lambda p, w: glm.fedprox(p, broadcast=w, ridge=s.ridge, proximal=s.proximal),
            s.exchanges,
        )

    @cached_property
    def fedavg(self) -> np.ndarray:
        s = self.settings
        return self.rounds(
            lambda p, w: glm.fedprox(p, broadcast=w, ridge=s.ridge, proximal=0.0), s.exchanges
        )

    @cached_property
    def fedadam(self) -> np.ndarray:
        """Reddi et al. 2021, "Adaptive federated optimization"; the stores take FedAvg's steps."""
        s, weights = self.settings, np.zeros(self.standard.size)
        first, second = np.zeros_like(weights), np.zeros_like(weights)
        for _ in range(s.exchanges):
            own = [
                glm.fedprox(p, broadcast=weights, ridge=s.ridge, proximal=0.0)
                for p in self.problems.values()
            ]
            step = np.average(own, axis=0, weights=self.shares) - weights
            first, second = 0.9 * first + 0.1 * step, 0.99 * second + 0.01 * step**2
            weights = weights + s.adam_rate * first / (np.sqrt(second) + 1e-3)
        return weights

    @cached_property
    def variance(self) -> np.ndarray:
        spreads = [
            glm.spread(
                each,
                centre=self.fedprox,
                ridge=self.settings.spread_ridge,
                temper=glm.sightings(self.task.train[name]),
            )
            for name, each in self.problems.items()
        ]
        return glm.prior_variance(np.mean([each.excess for each in spreads], axis=0))

    @cached_property
    def personal(self) -> dict[str, np.ndarray]:
        return {
            name: glm.personal_weights(
                each, centre=self.fedprox, variance=self.variance, temper=self.temper(name)
            )
            for name, each in self.problems.items()
        }

    def linear(self, name: str, examples: Examples) -> np.ndarray:
        """Log of forecast / level, by the store's personal weights."""
        design = self.standard.apply(examples.values)
        return glm.linear_predictor(design, self.personal[name])

    def forecasts(self, weights: np.ndarray | dict[str, np.ndarray]) -> Forecasts:
        def of(name: str) -> np.ndarray:
            return weights[name] if isinstance(weights, dict) else weights

        return {
            name: glm.forecast(each, self.standard, of(name))
            for name, each in self.task.test.items()
        }

    @cached_property
    def pooled(self) -> Examples:
        parts = list(self.task.train.values())
        names = [each.name for each in fields(Examples)]
        return Examples(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    @cached_property
    def round(self) -> Simulated:
        """A first round as it runs in production: one model of all horizons, its last two weeks
        held out for judging, its answers as JSON through the program's checks, then the refit."""
        config = TrainingConfig(history_days=self.task.history)
        return simulate(kind=DEMAND_FORECAST, config=config, stores=self.task.past)

    @cached_property
    def served(self) -> Forecasts:
        """By store, (n, 4): what it is served from the origin. Its mean, P10, P50 and P90 are the
        model's if the gate lets it pass, and a simple rule's otherwise."""
        judged = [each["figures"] for each in self.round.judged.values()]
        content = self.round.server_state if evaluation.judge(judged).better else None
        rows = {name: served(content, self.task.past[name]) for name in self.task.test}
        return {
            name: rows[name][:, each.horizon - 1, each.dish].T
            for name, each in self.task.test.items()
        }

    @cached_property
    def trees(self) -> Forecasts:
        ensemble = grown(self.task, form=self.settings.form)
        return {
            name: np.exp(each.offset + margins(ensemble, each.values))
            for name, each in self.task.test.items()
        }


def seasonal_naive(window: Window) -> Forecasts:
    task = window.task
    return {n: evaluation.seasonal_naive(task.full[n], each) for n, each in task.test.items()}


def weekday_mean(window: Window) -> Forecasts:
    task = window.task
    return {n: evaluation.weekday_mean(task.full[n], each) for n, each in task.test.items()}


def local_glm(window: Window) -> Forecasts:
    """Each store trained alone, with its own standardization too."""
    forecasts = {}
    for name, examples in window.task.train.items():
        standard = glm.agreed_standard([glm.standard_sums(examples.values)])
        weights = glm.local(glm.problem(examples, standard), ridge=window.settings.local_ridge)
        forecasts[name] = glm.forecast(window.task.test[name], standard, weights)
    return forecasts


def fedavg(window: Window) -> Forecasts:
    return window.forecasts(window.fedavg)


def fedprox(window: Window) -> Forecasts:
    return window.forecasts(window.fedprox)


def fedadam(window: Window) -> Forecasts:
    return window.forecasts(window.fedadam)


def fine_tuned(window: Window) -> Forecasts:
    """FedProx, then each store trained once more, close to the chain's weights."""
    s = window.settings
    return window.forecasts(
        {
            name: glm.minimised(
                each,
                start=window.fedprox,
                centre=window.fedprox,
                penalty=np.full(each.size, s.fine_tuning_proximal),
                steps=3,
            )
            for name, each in window.problems.items()
        }
    )


def personal_glm(window: Window) -> Forecasts:
    return window.forecasts(window.personal)


def federated_trees(window: Window) -> Forecasts:
    return window.trees


def blend(window: Window) -> Forecasts:
    """A version's forecast: personal weights, and trees that are grown on half of them."""
    task = window.task
    train = {
        name: replace(each, offset=each.offset + SHARE_BEFORE_TREES * window.linear(name, each))
        for name, each in task.train.items()
    }
    ensemble = grown(replace(task, train=train), form=window.settings.form)
    forecasts = {}
    for name, each in task.test.items():
        linear = window.linear(name, each)
        with_trees = SHARE_BEFORE_TREES * linear + margins(ensemble, each.values)
        forecasts[name] = np.exp(each.offset + blended(linear, with_trees))
    return forecasts


def whole_round(window: Window) -> Forecasts:
    """The model of a round with each store's personal weights, whatever the gate decides."""
    task = window.task
    model = DemandModel.from_json(window.round.server_state["model"])
    forecasts = {}
    for name, each in task.test.items():
        known = training_examples(
            task.past[name], first_day=0, end_day=task.past[name].days, horizons_each=HORIZONS_EACH
        )
        forecasts[name] = model.forecast(each, model.personal_weights(known))
    return forecasts


def as_served(window: Window) -> Forecasts:
    """The means that stores read, by the whole path: gate, mixing, bound."""
    return {name: columns[:, 0] for name, columns in window.served.items()}


def pooled_glm(window: Window) -> Forecasts:
    problem = glm.problem(window.pooled, window.standard)
    return window.forecasts(glm.local(problem, ridge=window.settings.pooled_ridge))


def pooled_lightgbm(window: Window) -> Forecasts:
    import lightgbm

    s, rows = window.settings, window.pooled
    data = lightgbm.Dataset(rows.values, label=rows.target, init_score=rows.offset)
    parameters = {
        "objective": "poisson", "learning_rate": s.rate, "num_leaves": s.leaves, "verbose": -1,
        "min_data_in_leaf": s.least_in_leaf, "num_threads": 1, "seed": 0, "deterministic": True,
    }  # fmt: skip
    model = lightgbm.train(parameters, data, num_boost_round=s.trees)
    return {
        name: np.exp(each.offset + model.predict(each.values, raw_score=True))
        for name, each in window.task.test.items()
    }


Method = Callable[[Window], Forecasts]
METHODS: dict[str, Method] = {
    "seasonal naive": seasonal_naive,
    "weekday mean": weekday_mean,
    "local GLM": local_glm,
    "FedAvg": fedavg,
    "FedProx": fedprox,
    "FedAdam": fedadam,
    "FedProx, fine-tuned": fine_tuned,
    "FedProx, personal": personal_glm,
    "federated trees": federated_trees,
    "blend": blend,
    "a round, as shipped": whole_round,
    "as served": as_served,
    "pooled GLM": pooled_glm,
    "pooled LightGBM": pooled_lightgbm,
}
