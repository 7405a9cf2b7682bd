"""A store's part in a round: one plain function from its own rows to an answer. Pure.

What an answer may hold is listed in :data:`ALLOWED`, and nothing else leaves a store: no row, no
target, no forecast of a day. ``answer`` knows nothing of Django, queues or databases, so that
Flower's ClientApp can wrap it for stores that train on their own premises.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from neural.forecasting.core import aggregation, binning, evaluation, glm, judging, personal
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.encoding import encode
from neural.forecasting.core.features import Examples, training_examples
from neural.forecasting.core.protocol import (
    Json,
    Memory,
    NotEnoughHistory,
    Question,
    Together,
    TrainingConfig,
)
from neural.forecasting.core.series import FloatArray, Sales
from neural.forecasting.core.trees import growing, sums, trees

LEAST_DAYS = 28
"""With fewer days known a store cannot take part."""
HORIZONS_EACH = 4
"""From so many of the 14 horizons each target is seen in training."""
LEVEL_DAYS = 28

DESCRIPTION = ("demand", "mean", "square", "sketch", "levels")
"""What a private round does not ask for: no noise protects it."""

ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "describe": frozenset({"base", "examples", *DESCRIPTION}),
        "fit": frozenset({"base", "examples", "demand", "update", "update_norm"}),
        "spread": frozenset({"base", "excess"}),
        "grow": frozenset({"base", "stores", "sums"}),
        "calibrate": frozenset({"base", "residuals"}),
        "judge": frozenset({"base", "examples", "figures"}),
        "confirm": frozenset({"base", "count", "refitted", "judged"}),
    }
)
"""By kind of question: the keys of an answer. All that leaves a store."""


def is_private(config: TrainingConfig) -> bool:
    """Whether a round's linear weights are released with noise."""
    return config.noise_multiplier > 0


def answer(
    config: TrainingConfig, draft: Json, question: Question, sales: Sales, memory: Memory
) -> Json:
    """What this store answers. Raises :class:`NotEnoughHistory` if it knows too little."""
    return _PARTS[question.kind](_Store(config, draft, question, sales, memory))


class _Store:
    """The store's rows as one exchange sees them; what takes long is kept in memory."""

    def __init__(
        self, config: TrainingConfig, draft: Json, question: Question, sales: Sales, memory: Memory
    ) -> None:
        self.config, self.draft, self.question = config, draft, question
        self.sales = sales
        # What was made without the last days is of no use to a refit, and large.
        of = "refit" if self.is_refit else "first"
        if of not in memory:
            memory.clear()
            memory[of] = {}
        self.memory: Memory = memory[of]

    @property
    def base(self) -> str:
        return str(self.question.content["base"])

    @property
    def first_held_out(self) -> int:
        return self.sales.days - self.config.held_out_days

    @property
    def is_refit(self) -> bool:
        """Whether the days that were kept for judging are trained on, too."""
        return "judged_model" in self.draft

    @property
    def train(self) -> Examples:
        return self.kept("train", self._training_examples)

    @property
    def held_out(self) -> Examples:
        return self.kept("held_out", self._held_out_examples)

    @property
    def model(self) -> DemandModel:
        return DemandModel.from_json(self.draft["model"])

    @property
    def problem(self) -> glm.Problem:
        """Not kept: as large as the examples, and made in a millisecond."""
        return glm.problem(self.train, self.model.standard)

    def _training_examples(self) -> Examples:
        known = int(np.isfinite(self.sales.quantities).any(axis=1).sum())
        if known < LEAST_DAYS:
            raise NotEnoughHistory(f"{known} days are known, {LEAST_DAYS} are needed")
        end = self.sales.days if self.is_refit else self.first_held_out
        examples = training_examples(
            self.sales,
            first_day=end - self.config.history_days,
            end_day=end,
            horizons_each=HORIZONS_EACH,
        )
        if not len(examples):
            raise NotEnoughHistory("no dish has been sold for long enough")
        return examples

    def _held_out_examples(self) -> Examples:
        return training_examples(self.sales, first_day=self.first_held_out, end_day=self.sales.days)

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.memory:
            self.memory[name] = make()
        return self.memory[name]


def _describe(store: _Store) -> Json:
    """How much it has, where its features lie, the usual level of its dishes."""
    told: Json = {"base": store.base, "examples": len(store.train)}
    if is_private(store.config):
        return {**told, **dict.fromkeys(DESCRIPTION)}
    values = store.train.values.astype(np.float64)
    return {
        **told,
        "demand": float(store.train.target.mean()),
        "mean": encode(values.mean(axis=0), dtype="<f8"),
        "square": encode(np.einsum("ij,ij->j", values, values) / len(values), dtype="<f8"),
        "sketch": binning.sketch(values=store.train.values) if store.config.trees else None,
        "levels": _levels(store.sales),
    }


def _levels(sales: Sales) -> dict[str, float]:
    """By dish: portions a day over the last four weeks, three digits of them."""
    last = sales.quantities[-LEVEL_DAYS:]
    known = np.isfinite(last)
    count = known.sum(axis=0)
    mean = np.where(known, last, 0.0).sum(axis=0) / np.maximum(count, 1)
    return {
        dish: float(f"{mean[place]:.3g}")
        for place, dish in enumerate(sales.dishes)
        if count[place] >= LEVEL_DAYS // 4
    }


def _fit(store: _Store) -> Json:
    """An update of the linear weights, no longer than the clipping norm."""
    config, broadcast, problem = store.config, store.model.weights, store.problem
    if config.strategy == "fedavg":
        trained = glm.fedavg(problem, broadcast=broadcast, ridge=config.ridge)
    else:
        trained = glm.fedprox(
            problem, broadcast=broadcast, ridge=config.ridge, proximal=config.proximal
        )
    update = aggregation.clip(trained - broadcast, norm=config.clipping_norm)
    return {
        "base": store.base,
        "examples": len(store.train),
        "demand": problem.total,
        "update": encode(update, dtype="<f8"),
        "update_norm": aggregation.update_norm(update),
    }


def _spread(store: _Store) -> Json:
    """How far its own optimum is from the chain's weights, beyond what chance brings: squares."""
    found = personal.spread(
        store.problem,
        centre=store.model.weights,
        ridge=store.config.ridge,
        # Not that of its history, by which a store of few weeks would be said to differ by chance
        # alone: how far stores may go is learned from all of them.
        temper=personal.sightings(store.train),
    )
    return {"base": store.base, "excess": encode(found.excess, dtype="<f8")}


def _rows(store: _Store, name: str, forest: trees.Draft) -> sums.Rows:
    """The store's examples as trees see them: in bins, and what personal weights leave to find."""
    model = store.model
    weights = model.personal_weights(store.train, store.problem)
    codes = binning.binned(values=store.train.values, bins=forest.bins)
    return sums.rows_of(
        store=name,
        codes=codes,
        offset=model.before_trees(store.train, weights),
        target=store.train.target,
        # No store weighs more than if it had trained on so many examples.
        weight=min(1.0, store.config.max_examples / len(store.train)),
    )


def _grow(store: _Store) -> Json:
    """Sums of gradients and hessians by bin, of this store alone."""
    forest = trees.Draft.from_json(store.draft["model"]["forest"])
    rows = store.kept("rows", lambda: _rows(store, "", forest))
    added = sums.sums(draft=forest, rows=rows, memory=store.kept("growing", dict))
    return {"base": store.base, "stores": 1, "sums": growing.sums_as_json(added.sums)}


def _calibrate(store: _Store) -> Json:
    """How the draft's errors on the held-out days scatter: sums of squares."""
    return {"base": store.base, "residuals": judging.residuals(store.held_out, _judged(store))}


def _judge(store: _Store) -> Json:
    """Sums of the errors of each method on the held-out days."""
    forecasts = judging.point_forecasts(
        active=store.draft["active"],
        sales=store.sales,
        train=store.train,
        held_out=store.held_out,
        candidate=_judged(store),
    )
    figures = judging.figures(
        forecasts=forecasts,
        sales=store.sales,
        held_out=store.held_out,
        first_held_out=store.first_held_out,
        quality=store.draft["quality"],
    )
    return {"base": store.base, "examples": len(store.held_out), "figures": figures}


def _confirm(store: _Store) -> Json:
    """How well the chain's weights and trees alone, before and after the refit, say the days that
    were kept back: deviances."""
    models = {"refitted": store.draft["model"], "judged": store.draft["judged_model"]}
    told: Json = {"base": store.base, "count": float(len(store.held_out))}
    for name, content in models.items():
        model = DemandModel.from_json(content)
        forecasts = model.forecast(store.held_out, model.weights)
        told[name] = float(evaluation.poisson_deviance(store.held_out.target, forecasts).sum())
    return told


def _judged(store: _Store) -> FloatArray:
    """The draft's forecasts of the held-out days."""

    def make() -> FloatArray:
        model = store.model
        weights = model.personal_weights(store.train, store.problem)
        return model.forecast(store.held_out, weights)

    forecasts: FloatArray = store.kept("forecasts", make)
    return forecasts


_PARTS: Mapping[str, Callable[[_Store], Json]] = MappingProxyType(
    {
        "describe": _describe,
        "fit": _fit,
        "spread": _spread,
        "grow": _grow,
        "calibrate": _calibrate,
        "judge": _judge,
        "confirm": _confirm,
    }
)


def answer_together(
    config: TrainingConfig,
    draft: Json,
    question: Question,
    stores: Mapping[str, tuple[Sales, Memory]],
) -> Together:
    """Sums by bin of several stores of one trust domain, added up before they are sent.

    Stores whose sums are far from the others' are left out of them and named.
    """
    forest = trees.Draft.from_json(draft["model"]["forest"])
    parts = {
        name: _Store(config, draft, question, sales, memory)
        for name, (sales, memory) in sorted(stores.items())
    }
    together = _together(parts, forest)
    added = sums.sums(draft=forest, rows=together["rows"], memory=together["growing"])
    answer = {
        "base": str(question.content["base"]),
        "stores": len(parts) - len(added.left_out),
        "sums": growing.sums_as_json(added.sums),
    }
    return Together(answer, dict.fromkeys(added.left_out, "outlier"))


def _together(parts: Mapping[str, _Store], forest: trees.Draft) -> dict[str, Any]:
    """The stores' bins as one matrix, added up much faster than store by store, and what growing
    keeps of it. It lies with the first store; what it was made from is not kept beside it."""
    first, names = next(iter(parts.values())), tuple(parts)
    if first.memory.get("together", {}).get("names") != names:
        rows = []
        for name, store in parts.items():
            rows.append(_rows(store, name, forest))
            store.memory.clear()
        first.memory["together"] = {"names": names, "rows": sums.joined(rows), "growing": {}}
    together: dict[str, Any] = first.memory["together"]
    return together
