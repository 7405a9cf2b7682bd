"""Stores compare the refitted model with the judged one, on the days that were kept back. Pure."""

from neural.forecasting.core import evaluation, gate
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, check_number
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import Json, TrainingConfig


class Confirm(Phase):
    """How well the chain's weights and trees alone, before and after the refit, say those days:
    deviances."""

    name = "confirm"
    keys = frozenset({"base", "count", "refitted", "judged"})

    def answer(self, store: StorePart) -> Json:
        models = {
            "refitted": store.server_state["model"],
            "judged": store.server_state["judged_model"],
        }
        told: Json = {"base": store.base, "count": float(len(store.held_out))}
        for name, content in models.items():
            model = DemandModel.from_json(content)
            forecasts = model.forecast(store.held_out, model.weights)
            told[name] = float(evaluation.poisson_deviance(store.held_out.target, forecasts).sum())
        return told

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        for name in ("count", "refitted", "judged"):
            check_number(answer[name])

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        """The refitted model, unless it says the days that it was trained on worse than the judged
        one did beforehand: then somebody has spoilt it."""
        compared = gate.compare([_sums(each) for each in answers.values()], "judged")
        if compared is None or not compared.own <= compared.other:
            return Combined({"model": server_state["judged_model"]})
        return Combined({"quality": {**server_state["quality"], "refitted": True}})


def _sums(answer: Json) -> gate.Judged:
    """An answer as the gate reads it: the refitted model is the candidate."""
    names = {gate.CANDIDATE: "refitted", "judged": "judged"}
    return {name: {"deviance": answer[of], "count": answer["count"]} for name, of in names.items()}
