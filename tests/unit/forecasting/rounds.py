"""The tiny model type of ``tests.probe.training`` for tests of rounds: what its stores answer can
be tampered with."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from celery.exceptions import WorkerTerminate
from django.db import connection
from django.utils import timezone

from neural.forecasting.core import model_types
from neural.forecasting.core.model_types import DishForecast, ModelType, register_model_type
from neural.forecasting.core.protocol import AnswerRefused, Json, Question, Together
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingPlan, TrainingRound
from neural.forecasting.rounds.opening import open_round
from neural.ledger.settle import mark_lost
from neural.models import RunState, Store, TaskRun
from neural.restaurant.models import DailyDemand
from neural.worker.in_process import run_due
from tests.probe.training import MeanProgram
from tests.registries import forget
from tests.unit.factories import make_store

NAME = "mean_demand"
ORDER = MeanProgram().order

Tamper = Callable[[Question, Json], Json]


@dataclass
class Chain:
    """What the stores of a test do."""

    tamper: dict[str, Tamper] = field(default_factory=dict)
    deviance: dict[str, float] = field(
        default_factory=lambda: {
            "candidate": 1.0, "active": 2.0, "seasonal_naive": 3.0, "weekday_mean": 4.0,
        }
    )  # fmt: skip
    program: MeanProgram = field(default_factory=MeanProgram)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Stores and exchanges, in the order in which they were asked."""

    def answer(self, config, server_state, question, sales, memory):
        store = sales.dishes[0].removesuffix("-rice")
        self.asked.append((store, question.number))
        memory["examples"] = memory.get("examples", 0) + 1
        quantities = sales.quantities[np.isfinite(sales.quantities)]
        answer: Json = {"base": server_state["base"]}
        if question.kind == "fit":
            mean = float(quantities.mean())
            answer |= {"examples": len(quantities), "mean": mean, "update_norm": abs(mean)}
        elif question.kind == "sum":
            answer |= {"total": int(quantities.sum()), "count": len(quantities)}
        else:
            answer["figures"] = {
                name: {"deviance": value * 7, "count": 7.0} for name, value in self.deviance.items()
            }
        return self.tamper.get(store, lambda question, answer: answer)(question, answer)

    def together(self, config, server_state, question, stores):
        refused = {}
        total = {"base": server_state["base"], "total": 0, "count": 0}
        for store, (sales, memory) in stores.items():
            try:
                answer = self.answer(config, server_state, question, sales, memory)
            except AnswerRefused as error:
                refused[store] = str(error)
                continue
            total["total"] += answer["total"]
            total["count"] += answer["count"]
        return Together(total, refused)

    def forecast(self, content, sales):
        fortnight = [content["mean"] if content else 1.0] * 14
        method = "global" if content else "weekday_mean"
        return [
            DishForecast(dish, method, *[fortnight] * 4, uses_version=content is not None)
            for dish in sales.dishes
        ]


@contextmanager
def chain_of(*codes: str, days: int = 40, **plan: Any) -> Iterator[Chain]:
    """Stores with demand, the model type and its plan."""
    chain = Chain()
    kind = ModelType(
        name=NAME, label="Mean demand", program=chain.program, answer=chain.answer,
        answer_together=chain.together, forecast=chain.forecast, schema_hash="f" * 64,
        expected_exchanges=lambda config: len(ORDER),
    )  # fmt: skip
    register_model_type(kind)
    TrainingPlan.objects.create(model_type=NAME, least_share=0.5, **plan)
    for place, code in enumerate(codes, start=1):
        sold(make_store(code), {-ago: 10 * place for ago in range(1, days + 1)})
    try:
        yield chain
    finally:
        forget(model_types.TYPES, NAME)


def sold(store: Store, by_day: Mapping[int, float], dish: str = "") -> None:
    """What a store sold, by the number of the day from today (its own, that has not ended)."""
    today = store.business_day(timezone.now())
    DailyDemand.objects.bulk_create(
        DailyDemand(
            store=store,
            day=today + dt.timedelta(days=number),
            dish=dish or f"{store.code}-rice",
            name="Rice",
            reported_quantity=Decimal(str(quantity)),
        )
        for number, quantity in by_day.items()
    )


def opened(now: dt.datetime | None = None) -> TrainingRound:
    found = open_round(name=NAME, now=now or timezone.now(), requested_by="a test").round
    assert found is not None
    return found


def finished(now: dt.datetime | None = None) -> TrainingRound:
    """Open a round and run all that is due."""
    training = opened(now)
    run_due()
    return fresh(training)


def fresh(training: TrainingRound) -> TrainingRound:
    return TrainingRound.objects.get(pk=training.pk)


def part(store: str) -> StoreUpdate:
    """The store's part in the newest round."""
    return StoreUpdate.objects.filter(store=store).latest("pk")


def parts() -> dict[str, tuple[str, str]]:
    """State and reason by store, of the newest round."""
    newest = TrainingRound.objects.latest("pk")
    rows = StoreUpdate.objects.filter(round=newest).order_by("store")
    return {row.store_id: (row.state, row.reason) for row in rows}


def outcome(training: TrainingRound) -> dict[str, Any]:
    """All that must be the same however often a round was interrupted."""
    training = fresh(training)
    versions = ModelVersion.objects.filter(round=training)
    updates = StoreUpdate.objects.filter(round=training).order_by("store")
    return {
        "state": (training.state, training.reason, training.exchange, training.server_state),
        "versions": list(versions.values_list("sha256", "metrics", "standing")),
        "parts": list(updates.values_list("store", "state", "reason", "exchange", "figures")),
    }


class Killed(WorkerTerminate):
    """The process is gone: what had not been committed is undone, and nobody catches this; no
    error of the work, but what ends a worker."""


def run_to_the_end() -> int:
    """Run all that is due, as long as processes are killed; returns how often one was."""
    kills = 0
    while True:
        try:
            run_due()
        except Killed:
            kills += 1
            connection.needs_rollback = (
                False  # as if the ledger's own transaction were the outermost
            )
            mark_lost(TaskRun.objects.running(), max_losses=9, why="killed")
            continue
        return kills


@contextmanager
def killed_at(statement: int) -> Iterator[Callable[[], int]]:
    """The process dies before its n-th statement that writes or commits. Gives how many there
    were: to die before one that reads is to die after the last one that wrote."""
    seen, died = 0, []

    def count(execute, sql, params, many, context):
        nonlocal seen
        writes = not sql.lstrip().startswith(("SELECT", "SAVEPOINT", "ROLLBACK"))
        seen += writes
        if writes and seen == statement and not died:
            died.append(statement)
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield lambda: seen


def train_runs(state: RunState | None = None) -> list[TaskRun]:
    runs = TaskRun.objects.filter(task="neural.tasks.advance_training_round").order_by("pk")
    return list(runs.filter(state=state) if state else runs)
