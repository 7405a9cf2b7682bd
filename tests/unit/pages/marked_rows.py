"""Rows of the store THEIRS with a mark in every text, by which a page that shows them is known."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models

from neural import audit
from neural.models import AuditEntry, AuditSource, SavedView, Store, TaskRun
from neural.models.store import StoreScopedQuerySet
from neural.monitoring.models import ErrorGroup, ErrorGroupHit
from tests.unit.admin import admin_rows

MARK = "only-theirs"
KEPT = {
    # Values by which code chooses what to do.
    "neural.TaskRun": {"task", "handler", "queue", "parent_task_id"},
    "neural.NeuralEvent": {"type"},
    "neural.RefusedEvent": {"type", "queue"},
    "neural.BulkAction": {"query", "values"},
    "neural.Store": {"time_zone", "country", "code"},
    "neural_monitoring.Alert": {"rule", "store_code"},
    "neural_api.ApiKey": {"prefix", "secret_hash"},
    "neural_hooks.WebhookSource": {"platform", "name"},
    "neural_hooks.Subscription": {"url", "key"},
    "neural_hooks.Delivery": {"type", "task_id"},
    "neural_restaurant.DayClose": {"sums", "tenders"},
    "neural_retrieval.IngestedRecord": {"collection", "store_code"},
    "neural_forecasting.Forecast": {"model_type", "method", "channel"},
    "neural_forecasting.StoreUpdate": {"content_hash"},
}
"""Texts that are no free texts; of codes of choice the mark would make nonsense."""
UNSEEN: set[str] = set()
"""Models whose pages show no text of theirs that could be marked."""


def mark_rows() -> list[Any]:
    """A marked row of every model that belongs to a store, each of the store THEIRS."""
    made = [_marked(model) for model in marked_models() if model is not ErrorGroup]
    run = admin_rows.row_of(TaskRun)
    audit.record(
        action="run.retry", by=MARK, source=AuditSource.ADMIN, rows=[run], reason=f"{MARK} reason"
    )
    group = _marked(ErrorGroup)
    ErrorGroupHit.objects.create(
        group=group,
        work="h",
        store_code=admin_rows.STORE,
        attempts=1,
        first_at=group.first_at,
        last_at=group.last_at,
    )
    return [*made, group]


def saved_view() -> SavedView:
    """A superuser's view of the store THEIRS, shown to everybody who may see the store."""
    shown = {"query": {"store": admin_rows.STORE}, "shared": True}
    owner = get_user_model().objects.filter(is_superuser=True).first()
    return SavedView.objects.get_or_create(owner=owner, name=MARK, defaults=shown)[0]


def belongs_to_a_store(model: Any) -> bool:
    """Whether rows of the model concern one store, by themselves or by a row that they refer to."""
    if model is Store or isinstance(model._default_manager.all(), StoreScopedQuerySet):
        return True
    fields = model._meta.get_fields()
    if any(getattr(each, "name", "") in ("store_code", "stores") for each in fields):
        return True
    return any(
        each.many_to_one and each.concrete and each.related_model is not model
        and each.related_model in admin.site._registry and belongs_to_a_store(each.related_model)
        for each in fields
    )  # fmt: skip


def marked_models() -> list[Any]:
    """The models with a page of which there is a marked row."""
    found = [each for each in apps.get_models() if each._meta.app_label.startswith("neural")]
    shown = [each for each in found if each in admin.site._registry and each is not AuditEntry]
    return [each for each in shown if each is ErrorGroup or belongs_to_a_store(each)]


def _marked(model: Any) -> Any:
    row = admin_rows.row_of(model)
    kept = KEPT.get(model._meta.label, set())
    values: dict[str, Any] = {}
    for each in model._meta.concrete_fields:
        if each.name == "store_code":
            values[each.name] = admin_rows.STORE
        elif each.name in kept:
            continue
        elif _is_free_text(each):
            values[each.name] = f"{MARK}-{each.name}"[: each.max_length]
        elif type(each) is models.JSONField and isinstance(getattr(row, each.name), dict):
            values[each.name] = {**getattr(row, each.name), "note": f"{MARK}-{each.name}"}
    if values:
        model._base_manager.filter(pk=row.pk).update(**values)
    for each in model._meta.many_to_many:
        if each.related_model is Store:
            getattr(row, each.name).set([admin_rows.STORE])
    row.refresh_from_db()
    return row


def _is_free_text(each: Any) -> bool:
    if each.primary_key or each.is_relation or each.choices:
        return False
    if type(each) is models.TextField:
        return True
    return type(each) is models.CharField and each.max_length >= len(MARK)
