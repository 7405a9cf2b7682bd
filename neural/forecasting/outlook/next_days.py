"""Makes and keeps forecasts of the next days, store by store, each from the store's own rows, and
measures those of the last days."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q

from neural.forecasting.core.model_types import DishForecast, Forecasting, model_type
from neural.forecasting.core.protocol import Json, NotEnoughHistory
from neural.forecasting.core.series import Sales
from neural.forecasting.models import ActiveModel, Forecast, ModelVersion, TrainingPlan
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.models.round import log_store
from neural.forecasting.outlook import accuracy
from neural.forecasting.rounds.asking import FORECAST_TASK, LOW
from neural.forecasting.sales import RECENT_DAYS, nothing_sold, sales_of
from neural.forecasting.sources import demand_source
from neural.kit.errors import PermanentError
from neural.ledger.execute import drop_broken_connection
from neural.ledger.record import enqueue_all
from neural.models import Store
from neural.runs.models.new_run import NewRun, new_run
from neural.runs.slices import SLICE_SECONDS, in_time

STORES_A_RUN = 25
OPENING_DAYS = 60
"""For how many days after its creation a confirmed store without sales is forecast."""
KEY = ("store", "made_on", "dish")
UPDATED = ("name", "version", "method", "mean", "p10", "p50", "p90", "unconfirmed", "made_at")


class ForecastUnavailable(PermanentError):
    """The models of this type do not forecast."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The means to make forecasts: a model type's function, and its version in force, if any."""

    forecast: Forecasting
    version: ModelVersion | None
    content: Json | None
    history_days: int
    most_dishes: int


def make_forecasts(
    *,
    store_id: str | None,
    stores: Sequence[str] | None,
    name: str,
    now: dt.datetime,
    as_of: dt.date | None = None,
) -> dict[str, Any]:
    """The work of one forecasting run; returns counts, and the stores that failed.

    Without stores, it enqueues the runs for all stores that have sold something lately. ``as_of``:
    forecast as on the morning of that day.
    """
    chosen = [store_id] if store_id is not None else stores
    if chosen is None:
        return {"stores": _ask_for_all(name, now, as_of)}
    model = model_in_force(name)
    made, failed, rest = 0, {}, chosen
    for place, store in in_time(enumerate(chosen, 1), seconds=SLICE_SECONDS):
        rest = chosen[place:]
        try:
            made += forecast_store(Store.objects.get(pk=store), model=model, now=now, as_of=as_of)
        except NotEnoughHistory:
            failed[store] = "no_history"
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 (an error in one store must not stop the others)
            drop_broken_connection(error)
            failed[store] = type(error).__name__
            log_store(
                "not_forecast", round_id=0, store=store, level=logging.WARNING, error=failed[store]
            )
            if isinstance(error, SoftTimeLimitExceeded):
                break
    if rest:
        enqueue_all([_run(name, rest, as_of)])
    result: dict[str, Any] = {"dishes": made}
    result |= {"failed": failed} if failed else {}
    return result | ({"rest": len(rest)} if rest else {})


def model_in_force(name: str) -> Model:
    """The model type's forecasting with its active version, read once for many stores.

    A version that was made with features that the type no longer has is ignored. Raises
    :class:`ForecastUnavailable`.
    """
    kind = model_type(name)
    if kind.forecast is None:
        raise ForecastUnavailable(f"{name} does not forecast")
    version = ActiveModel.objects.version_of(name)
    if version is not None and version.schema_hash != kind.schema_hash:
        version = None
    plan = TrainingPlan.objects.filter(model_type=name).first() or TrainingPlan(model_type=name)
    return Model(
        forecast=kind.forecast,
        version=version,
        content=version.load() if version else None,
        history_days=plan.history_days,
        most_dishes=plan.dishes_per_store,
    )


def forecast_store(
    store: Store, *, model: Model, now: dt.datetime, as_of: dt.date | None = None
) -> int:
    """Forecast the next days of one store and keep the result; returns the number of dishes.

    A store that has sold nothing yet is forecast by the chain's model of its usual dishes. Raises
    NotEnoughHistory if there is no such model.
    """
    sales = _sales(store, model, as_of or store.business_day(now))
    found = model.forecast(model.content, sales)
    if not found:
        raise NotEnoughHistory(f"store {store.pk} has sold nothing, and no model knows its dishes")
    names = dict(zip(sales.dishes, sales.names or sales.dishes, strict=True))
    rows = [_row(store, sales, each, model, names.get(each.dish, ""), now) for each in found]
    with transaction.atomic():
        Forecast.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=KEY, update_fields=UPDATED
        )
        # If the forecast is made again after a correction, a dish may be gone.
        that_day = Forecast.objects.filter(store=store, made_on=sales.last_day)
        that_day.exclude(dish__in=[row.dish for row in rows]).delete()
    accuracy.measure(store, sales)
    return len(rows)


def _sales(store: Store, model: Model, today: dt.date) -> Sales:
    try:
        return sales_of(
            store, today=today, history_days=model.history_days, most_dishes=model.most_dishes
        )
    except NotEnoughHistory:
        return nothing_sold(store, today=today)


def _row(
    store: Store, sales: Sales, of: DishForecast, model: Model, name: str, now: dt.datetime
) -> Forecast:
    return Forecast(
        store=store,
        dish=of.dish,
        name=name,
        made_on=sales.last_day,
        version=model.version if of.uses_version else None,
        method=of.method,
        mean=list(of.mean),
        p10=list(of.p10),
        p50=list(of.p50),
        p90=list(of.p90),
        unconfirmed=[(day.isoformat(), *amounts) for day, *amounts in of.unconfirmed] or None,
        made_at=now,
    )


def _ask_for_all(name: str, now: dt.datetime, as_of: dt.date | None) -> int:
    today = as_of or now.date()
    since = today - dt.timedelta(days=RECENT_DAYS)
    source = demand_source()
    # One day more at the end, because each store has its own clock.
    sold = source.selling_stores(first=since, last=today + dt.timedelta(days=1))
    new = Q(confirmed=True, created_at__gte=now - dt.timedelta(days=OPENING_DAYS))
    opening = new & ~source.ever_sold()
    wanted = Store.objects.filter(Q(pk__in=sold) | opening).order_by("pk")
    codes = list(wanted.values_list("pk", flat=True))
    groups = (codes[at : at + STORES_A_RUN] for at in range(0, len(codes), STORES_A_RUN))
    enqueue_all([_run(name, each, as_of) for each in groups])
    return len(codes)


def _run(name: str, stores: Sequence[str], as_of: dt.date | None) -> NewRun:
    kwargs: dict[str, Any] = {"stores": list(stores)}
    if name != DEFAULT_MODEL_TYPE:
        kwargs["model_type"] = name
    if as_of:
        kwargs["as_of"] = as_of.isoformat()
    return new_run(
        task=FORECAST_TASK,
        kwargs=kwargs,
        **LOW,
        store=stores[0] if len(stores) == 1 else None,
    )
