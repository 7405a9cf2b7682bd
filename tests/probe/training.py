"""A tiny model type: the chain's mean demand. Two exchanges ask each store for its mean, some have
stores add up sums, the last one judges. Registered twice, so that tests with real workers can
compare a round that is disturbed with one that is not."""

import time
from collections.abc import Mapping

import numpy as np

from neural.forecasting.core.model_types import ModelType, register_model_type
from neural.forecasting.core.protocol import (
    AnswerRefused,
    Json,
    Question,
    Step,
    Together,
    TrainingConfig,
)

KEYS = {
    "fit": {"base", "examples", "mean", "update_norm"},
    "sum": {"base", "total", "count"},
    "judge": {"base", "figures"},
}
UNDISTURBED, DISTURBED = "probe.undisturbed", "probe.disturbed"
ANSWER_SECONDS = 0.05
"""Long enough for a kill to strike in the middle."""


class MeanProgram:
    """The coordinator's part."""

    def __init__(self, order: tuple[str, ...] = ("fit", "fit", "sum", "judge")) -> None:
        self.order = order

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        server_state = {"base": active["mean"] if active else 0.0, "mean": 0.0}
        return Step(server_state, self._question(1))

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        if set(answer) != KEYS[question.kind]:
            raise AnswerRefused("wrong_keys")
        if answer["base"] != server_state["base"]:
            raise AnswerRefused("wrong_version")
        if question.kind == "fit":
            if not isinstance(answer["mean"], float):
                raise AnswerRefused("wrong_shape")
            if abs(answer["mean"]) > 1e6:
                raise AnswerRefused("norm")

    def go_on(
        self,
        config: TrainingConfig,
        server_state: Json,
        question: Question,
        answers: Mapping[str, Json],
    ) -> Step:
        server_state = dict(server_state)
        refused = {}
        if question.kind == "fit":
            far = [name for name, each in answers.items() if each["mean"] > 1e5]
            refused = dict.fromkeys(far, "outlier: too far")
            good = [each for name, each in answers.items() if name not in refused]
            weights = [min(each["examples"], config.max_examples) for each in good]
            server_state["mean"] = float(
                np.average([each["mean"] for each in good], weights=weights)
            )
        elif question.kind == "sum":
            server_state["total"] = sum(each["total"] for each in answers.values())
            server_state["days"] = sum(each["count"] for each in answers.values())
        number = question.number + 1
        following = self._question(number) if number <= len(self.order) else None
        return Step(server_state, following, refused)

    def _question(self, number: int) -> Question:
        kind = self.order[number - 1]
        return Question(kind=kind, number=number, together=kind == "sum", judges=kind == "judge")


def answer(config, server_state, question, sales, memory):
    time.sleep(ANSWER_SECONDS)
    quantities = sales.quantities[np.isfinite(sales.quantities)]
    found: Json = {"base": server_state["base"]}
    if question.kind == "fit":
        mean = float(quantities.mean())
        return found | {"examples": len(quantities), "mean": mean, "update_norm": abs(mean)}
    if question.kind == "sum":
        return found | {"total": int(quantities.sum()), "count": len(quantities)}
    deviances = {"candidate": 1.0, "seasonal_naive": 3.0, "weekday_mean": 4.0}
    return found | {
        "figures": {name: {"deviance": value, "count": 1.0} for name, value in deviances.items()}
    }


def together(config, server_state, question, stores):
    answers = [answer(config, server_state, question, *each) for each in stores.values()]
    total = {name: sum(each[name] for each in answers) for name in ("total", "count")}
    return Together({"base": server_state["base"], **total}, {})


for name in (UNDISTURBED, DISTURBED):
    register_model_type(
        ModelType(
            name=name,
            label=name,
            program=MeanProgram(("fit", "fit", *["sum"] * 6, "judge")),
            answer=answer,
            answer_together=together,
        )
    )
