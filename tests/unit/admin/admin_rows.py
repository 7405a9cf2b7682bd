"""A row of every model that the admin shows, and what the database holds of all of them."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from neural.forecasting.models import Forecast, ModelVersion, TrainingRound
from neural.models import AuditedRow, AuditEntry, Store
from neural.restaurant.models import DemandSummary, Period, Shift
from neural.retrieval.models import Search, SearchIndex
from neural.retrieval.models.search_row import TokensField
from tests.unit.forecasting import learning_world as learning

STORE = "S2"
DAY = dt.date(2026, 5, 1)

PLAIN: dict[type[models.Field], Any] = {
    models.CharField: "x",
    models.TextField: "{}",
    models.BooleanField: False,
    models.IntegerField: 1,
    models.FloatField: 1.0,
    models.DecimalField: Decimal(1),
    models.DateField: DAY,
    models.DateTimeField: dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC),
    models.TimeField: dt.time(12),
    models.DurationField: dt.timedelta(seconds=1),
    models.JSONField: {},
    models.BinaryField: b"",
    TokensField: ["x"],
}


def row_of(model: type[models.Model]) -> Any:
    """The first row, made where there is none. Whatever belongs to a store is of ``STORE``."""
    found = model._default_manager.order_by("pk").first()
    if found is None and model is Search:
        return row_of(SearchIndex) and model._default_manager.get()
    return found or _made(model)


def _made(model: type[models.Model]) -> Any:
    if model is TrainingRound:
        return learning.training("collecting")
    if model is Forecast:
        return learning.forecast(row_of(Store))
    if model is ModelVersion:
        return learning.version(row_of(TrainingRound))
    values = {field.name: _value(field) for field in model._meta.concrete_fields if _needs(field)}
    return model._default_manager.create(**values | _PARTICULAR.get(model.__name__, dict)())


def _needs(field: Any) -> bool:
    given = field.has_default() or field.has_db_default() or field.null or field.blank
    if field.is_relation and field.name in ("store", "event"):
        return True
    return not (given or getattr(field, "auto_now", False) or isinstance(field, models.AutoField))


def _value(field: Any) -> Any:
    if field.is_relation:
        return row_of(field.related_model)
    if field.choices:
        return field.flatchoices[0][0]
    if field.name == "code" and field.primary_key:
        return STORE
    if isinstance(field, models.UUIDField):
        return uuid.UUID(int=1)
    return next(PLAIN[kind] for kind in type(field).__mro__ if kind in PLAIN)


_PARTICULAR: dict[str, Any] = {
    DemandSummary.__name__: lambda: {"period": Period.DAY},
    Shift.__name__: lambda: {"ends_at": timezone.now(), "version": b""},
    "TaskRun": lambda: {"state": "dead", "finished_at": timezone.now(), "handler": "h"},
    "NeuralEvent": lambda: {"type": "order.created", "payload": {}, "unhandled": True},
    "ApiKey": lambda: {"scopes": ["events:read"]},
    "LoginFailures": lambda: {"failures": 1},
    "DailyDemand": lambda: {"reported_quantity": 1},
    "OutboxEntry": lambda: {"key": f"{STORE}/1", "error": "no such field"},
    "SchedulePolicy": lambda: {"schedule_id": row_of(PeriodicTask).pk},
    "PeriodicTask": lambda: {
        "task": "neural.tasks.analyse_demand",
        "crontab": CrontabSchedule.objects.create(),
    },
}


def registered(*labels: str) -> list[type[models.Model]]:
    """The models of the default site, of these apps if any are named."""
    found = [each for each in admin.site._registry if not labels or each._meta.app_label in labels]
    return sorted(found, key=lambda model: model._meta.label)


def everything() -> dict[str, list[Any]]:
    """What all tables hold, but for sessions and the audit log, which names what was refused."""
    left_out = (Session, AuditEntry, AuditedRow)
    found = apps.get_models(include_auto_created=True)
    kept = [model for model in found if model not in left_out]
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in kept
        if model._meta.managed and not model._meta.proxy
    }
