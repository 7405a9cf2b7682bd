"""The phase in which stores compare the refitted model with the judged one on the held-out days.

Pure.
"""

from neural.forecasting.core import evaluation, gate
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, check_number
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import Json, TrainingConfig


class Confirm(Phase):
    """Asks for the deviances, before and after the refit, of forecasts by the chain's weights and
    trees alone."""

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
        """Keep the refitted model unless it is worse than the judged one. It was trained on these
        days and the judged one was not, so a worse one has been spoilt by a store."""
        compared = gate.compare([_sums(each) for each in answers.values()], "judged")
        if compared is None or not compared.own <= compared.other:
            return Combined({"model": server_state["judged_model"]})
        return Combined({"quality": {**server_state["quality"], "refitted": True}})


def _sums(answer: Json) -> gate.Judged:
    """An answer in the gate's form, with the refitted model as the candidate."""
    names = {gate.CANDIDATE: "refitted", "judged": "judged"}
    return {name: {"deviance": answer[of], "count": answer["count"]} for name, of in names.items()}
