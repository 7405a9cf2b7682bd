"""The phase in which trees grow by a level, from stores' sums of gradients and hessians. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from neural.forecasting.core import binning
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, StorePart
from neural.forecasting.core.protocol import AnswerRefused, Json, Together, TrainingConfig
from neural.forecasting.core.trees import growing, sums
from neural.forecasting.core.trees.forest import Form, PartialForest


class Grow(Phase):
    """Asks for sums by bin, once for every level of every stage. Stores of one trust domain add up
    their sums before they send them; they leave out and name outliers."""

    name = "grow"
    keys = frozenset({"base", "stores", "sums"})
    together = True

    def is_skipped(self, config: TrainingConfig) -> bool:
        return form_of(config) is None

    def exchanges(self, config: TrainingConfig, *, refit: bool) -> int:
        form = form_of(config)
        return form.exchanges if form else 0

    def is_through(self, config: TrainingConfig, server_state: Json) -> bool:
        return _forest(server_state).is_complete

    def answer(self, store: StorePart) -> Json:
        forest = _forest(store.server_state)
        rows = store.cached("rows", lambda: _rows(store, "", forest))
        added = sums.sums(forest=forest, rows=rows, memory=store.cached("growing", dict))
        return {"base": store.base, "stores": 1, "sums": growing.sums_as_json(added.sums)}

    def answer_together(self, parts: Mapping[str, StorePart]) -> Together:
        first = next(iter(parts.values()))
        forest = _forest(first.server_state)
        together = _together(parts, forest)
        added = sums.sums(forest=forest, rows=together["rows"], memory=together["growing"])
        answer = {
            "base": first.base,
            "stores": len(parts) - len(added.left_out),
            "sums": growing.sums_as_json(added.sums),
        }
        return Together(answer, dict.fromkeys(added.left_out, "outlier"))

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        if type(answer["stores"]) is not int or answer["stores"] < 0:
            raise AnswerRefused("wrong_type", "stores is no whole number")
        growing.sums_from_json(forest=_forest(server_state), answer=answer["sums"])

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        forest = _forest(server_state)
        found = {
            store: growing.sums_from_json(forest=forest, answer=answer["sums"])
            for store, answer in answers.items()
        }
        # A group's stores were judged where their sums were added up. A single store's sums are
        # judged here, also beside those of groups.
        of = {store: answer["stores"] for store, answer in answers.items()}
        grown, left_out = growing.advanced(forest=forest, answers=found, stores=of)
        # Stores that were left out in an earlier exchange did not answer and are not refused again.
        out = [store for store in left_out if store in answers]
        model = {**server_state["model"], "forest": grown.as_json()}
        return Combined({"model": model}, dict.fromkeys(out, "outlier"))


def form_of(config: TrainingConfig) -> Form | None:
    """The form in which trees are grown; None for a round without trees."""
    if not config.trees:
        return None
    together = min(config.trees_together, config.trees)
    return Form(
        stages=math.ceil(config.trees / together),
        together=together,
        depth=config.tree_depth,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )


def _forest(server_state: Json) -> PartialForest:
    return PartialForest.from_json(server_state["model"]["forest"])


def _rows(store: StorePart, name: str, forest: PartialForest) -> sums.TreeRows:
    """The store's examples in the form that trees need: bins, and the offset that the personal
    weights predict."""
    model = store.model
    weights = model.personal_weights(store.train, store.problem)
    codes = binning.binned(values=store.train.values, bins=forest.bins)
    return sums.rows_of(
        store=name,
        codes=codes,
        offset=model.before_trees(store.train, weights),
        target=store.train.target,
        # No store weighs more than if it had trained on max_examples.
        weight=min(1.0, store.config.max_examples / len(store.train)),
    )


def _together(parts: Mapping[str, StorePart], forest: PartialForest) -> dict[str, Any]:
    """The stores' rows joined, and the cache of growing. Joined rows are added up much faster than
    store by store. They are kept in the first store's memory; the separate rows are dropped."""
    first, names = next(iter(parts.values())), tuple(parts)
    if first.memory.get("together", {}).get("names") != names:
        rows = []
        for name, store in parts.items():
            rows.append(_rows(store, name, forest))
            store.memory.clear()
        first.memory["together"] = {"names": names, "rows": sums.joined(rows), "growing": {}}
    together: dict[str, Any] = first.memory["together"]
    return together
