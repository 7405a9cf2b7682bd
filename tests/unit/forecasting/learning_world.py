"""Plans, rounds, versions and forecasts for tests of pages and commands, in any state."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.models import (
    ActiveModel,
    Forecast,
    ModelVersion,
    RoundState,
    RoundTransition,
    StoreUpdate,
    TrainingPlan,
    TrainingRound,
)
from neural.forecasting.models.round import CLOSED_STATES
from neural.models import Store
from neural.restaurant.models import DailyDemand

TYPE = "demand_forecast"
ERRORS = {
    "candidate": 0.18,
    "active": 0.19,
    "weekday_mean": 0.22,
    "seasonal_naive": 0.27,
}
"""WAPE by method, unless a test says otherwise."""
DAY = dt.date(2026, 5, 1)


def sums_of(wape: float, *, demand: float = 1000.0) -> dict[str, float]:
    """Sums from which this WAPE comes."""
    return {
        "count": 28.0,
        "demand": demand,
        "forecast": demand * 1.02,
        "absolute_error": wape * demand,
        "deviance": wape * 100,
        "naive_error": 0.25 * demand,
        "pinball": 0.1 * demand,
        "inside": 22.0,
        "below": 3.0,
        "band_count": 28.0,
    }


def judged(errors: Mapping[str, float] = ERRORS, **others: float) -> dict[str, Any]:
    """A store's sums by method; for the next day alone errors are a hundredth less."""
    both = {**errors, **others}
    tomorrow = {f"{method}@1": sums_of(wape - 0.01) for method, wape in both.items()}
    return {method: sums_of(wape) for method, wape in both.items()} | tomorrow


def plan(**fields: Any) -> TrainingPlan:
    return TrainingPlan.objects.update_or_create(model_type=TYPE, defaults=fields)[0]


def training(state: str = RoundState.PUBLISHED, **fields: Any) -> TrainingRound:
    """A round in a state, with what that state needs."""
    now = timezone.now()
    values: dict[str, Any] = {
        "plan": plan(),
        "model_type": TYPE,
        "config": asdict(TrainingConfig()),
        "exchange": 3,
        "exchanges_expected": 12,
        "invited": 3,
        "taking_part": 3,
        "opened_at": now - dt.timedelta(seconds=90),
        "closes_at": now + dt.timedelta(hours=1),
    }
    if state in CLOSED_STATES:
        values |= {"closed_at": now, "reason": "better"}
    else:
        values |= {
            "question": {"kind": "fit", "number": 3, "content": {}},
            "exchange_opened_at": now,
            "exchange_closes_at": now + dt.timedelta(seconds=100),
        }
    return TrainingRound.objects.create(state=state, **(values | fields))


def course(of: TrainingRound, *states: tuple[str, str, int]) -> None:
    """Transitions of a round: from, to, exchange; a second apart."""
    for number, (was, state, exchange) in enumerate(states):
        RoundTransition.objects.create(
            round=of,
            from_state=was,
            to_state=state,
            exchange=exchange,
            at=of.opened_at + dt.timedelta(seconds=number),
        )


def update(of: TrainingRound, store: Store, state: str = "accepted", **fields: Any) -> StoreUpdate:
    values: dict[str, Any] = {"exchange": of.exchange, "examples": 900, "figures": judged()}
    if state not in ("accepted", "invited"):
        values |= {"reason": "not_finite", "figures": {}}
    return StoreUpdate.objects.create(round=of, store=store, state=state, **(values | fields))


def version(
    of: TrainingRound | None = None, *, active: bool = False, **fields: Any
) -> ModelVersion:
    """A version; ``active`` puts it in force."""
    values: dict[str, Any] = {
        "metrics": {"totals": judged(), "verdict": "better", "detail": ""},
        "schema_hash": "f" * 64,
    }
    made = ModelVersion.objects.add(
        model_type=TYPE, content={"weights": [1]}, round=of, **values | fields
    )
    if active:
        before = ActiveModel.objects.version_of(TYPE)
        assert ActiveModel.objects.publish(made, instead_of=before, by="lee")
    return made


def forecast(
    store: Store,
    dish: str = "rice",
    *,
    made_on: dt.date = DAY,
    middle: float | Sequence[float | None] = 40.0,
    **fields: Any,
) -> Forecast:
    """Two weeks of one dish: the middle, with a quarter less and more around it."""
    middles = list(middle) if isinstance(middle, Sequence) else [middle] * 14

    def times(factor: float) -> list[float | None]:
        return [None if each is None else each * factor for each in middles]

    values: dict[str, Any] = {"name": dish.title(), "method": "blend", "mean": middles}
    return Forecast.objects.create(
        store=store,
        dish=dish,
        made_on=made_on,
        p10=times(0.75),
        p50=middles,
        p90=times(1.25),
        **(values | fields),
    )


def sold_until(store: Store, last: dt.date, *, days: int = 40) -> None:
    """Ten portions of rice a day, up to and with ``last``."""
    DailyDemand.objects.bulk_create(
        DailyDemand(
            store=store, day=last - dt.timedelta(days=back), dish="rice", reported_quantity=10
        )
        for back in range(days)
    )
