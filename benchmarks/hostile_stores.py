"""Measures what hostile stores cost the honest ones.

    python -m benchmarks.hostile_stores                     the bakery's 35 shops
    python -m benchmarks.hostile_stores --data sales.csv

One store in ten sends wrong answers through a whole round in memory. The honest stores' WAPE on the
two weeks that nobody trained on is shown beside that of the same round with honest answers, and of
a round without the hostile stores. Needs what benchmarks/forecasts needs. Prints JSON.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.forecasts import datasets
from neural.forecasting.core import aggregation, evaluation
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.participant import Tamper, simulate
from neural.forecasting.core.protocol import Json, Question, TrainingConfig
from neural.forecasting.core.series import Sales
from neural.forecasting.demand_forecast import DEMAND_FORECAST

Attack = Callable[[Question, Json, TrainingConfig], Json]


def backwards(factor: float, demand: float | None = None) -> Attack:
    """The update times ``-factor``, as long as the clipping norm allows, with a false demand."""

    def attack(question: Question, answer: Json, config: TrainingConfig) -> Json:
        if question.kind != "fit":
            return answer
        update = -factor * decode(answer["update"], dtype="<f8", shape=(None,))
        update = aggregation.clip(update, norm=config.clipping_norm)
        told = {"update": encode(update), "update_norm": aggregation.update_norm(update)}
        return {**answer, **told, **({"demand": demand} if demand else {})}

    return attack


def wrong_sums(factor: float) -> Attack:
    """The trees' gradients times ``-factor``."""

    def attack(question: Question, answer: Json, config: TrainingConfig) -> Json:
        if question.kind != "grow":
            return answer
        sent = answer["sums"]["gradient"]
        gradient = decode(sent, dtype=sent["dtype"], shape=(None,)).astype(np.int64)
        return {
            **answer,
            "sums": {**answer["sums"], "gradient": encode((-factor * gradient).astype(np.int64))},
        }

    return attack


def liar(question: Question, answer: Json, config: TrainingConfig) -> Json:
    """Answers that the candidate is as bad as possible."""
    if question.kind != "judge":
        return answer
    candidate = {**answer["figures"]["candidate"], "deviance": 1e12}
    return {**answer, "figures": {**answer["figures"], "candidate": candidate}}


ATTACKS: Mapping[str, tuple[Attack, TrainingConfig]] = {
    "update × -10": (backwards(10), TrainingConfig(trees=0)),
    "update × -10, claims a billion portions": (backwards(10, 1e9), TrainingConfig(trees=0)),
    "sums × -10": (wrong_sums(10), TrainingConfig()),
    "sums × -3": (wrong_sums(3), TrainingConfig()),
    "lies when it judges": (liar, TrainingConfig(trees=0)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="bakery", help=datasets.load.__doc__)
    parser.add_argument("--country", default="")
    options = parser.parse_args()
    try:
        stores = datasets.load(options.data, country=options.country)
    except datasets.DataAbsent as absent:
        print(f"skipped: {absent}", file=sys.stderr)
        return
    hostile = set(sorted(stores)[5::10])
    figures = {"stores": len(stores), "hostile": len(hostile)}
    for name, (attack, config) in ATTACKS.items():
        figures[name] = cost(stores, hostile, attack, config)
        print(f"{name}: {figures[name]}", file=sys.stderr, flush=True)
    print(json.dumps(figures, indent=1))


def cost(
    stores: Mapping[str, Sales], hostile: set[str], attack: Attack, config: TrainingConfig
) -> dict[str, float | bool]:
    """WAPE of the honest stores: all answers honest, with the attack, without the attackers."""

    def tamper(store: str, question: Question, answer: Json) -> Json:
        return attack(question, answer, config) if store in hostile else answer

    others = {name: sales for name, sales in stores.items() if name not in hostile}
    clean, attacked = wape(stores, hostile, config), wape(stores, hostile, config, tamper)
    without = wape(others, hostile, config)
    return {
        "honest": round(clean[0], 4),
        "attacked": round(attacked[0], 4),
        "without_them": round(without[0], 4),
        "cost": round(attacked[0] / clean[0] - 1, 4),
        "published": attacked[1],
    }


def wape(
    stores: Mapping[str, Sales],
    hostile: set[str],
    config: TrainingConfig,
    tamper: Tamper | None = None,
) -> tuple[float, bool]:
    """WAPE of the honest stores, and whether the gate passes the model, judged by all stores."""
    done = simulate(kind=DEMAND_FORECAST, config=config, stores=stores, tamper=tamper)
    judged = {name: answer["figures"] for name, answer in done.judged.items()}
    totals = evaluation.add_up(each for name, each in judged.items() if name not in hostile)
    found = evaluation.figures(totals["candidate"])["wape"]
    return float(found or 0.0), evaluation.judge(list(judged.values())).better


if __name__ == "__main__":
    main()
