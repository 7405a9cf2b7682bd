"""No page of the admin shows personal data to who may not see it, whatever row holds it where."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import models
from django.urls import NoReverseMatch, URLResolver, get_resolver, reverse

from neural import audit
from neural.audit.models import AppendOnlyModel
from neural.kit.exact_json import ExactJSONField
from neural.models import (
    AuditEntry,
    AuditSource,
    NeuralEvent,
    RefusedEvent,
    TaskAttempt,
    TaskRun,
)
from tests.unit.admin import admin_rows as rows
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PHONE, EMAIL, CARD, NAME = (
    "13987654321",
    "planted.person@example.com",
    "4111111111111111",
    "欧阳靖",
)
PERSON = {"customer": {"name": NAME}, "phone": PHONE, "note": f"{PHONE} {EMAIL}", "card_no": CARD}
TEXT = f"{PHONE} {EMAIL} {CARD} {{'customer_name': '{NAME}'}}"
LABELS = (*world.OURS, "django_celery_results")

CODES = re.compile(
    r"(^|_)(id|key|hash|code|codes|number|name|type|source|queue|queues|task|handler|currency|zone"
    r"|version|fingerprint|table|kind|platform|token|by|collection|embedder|cursor|shard|rule"
    r"|language|country|method|worker|hostname|backend|dish|channel|work|frame|store|category"
    r"|unit|model|scope|prefix|address|url|ticket|till|role|status|crontab|last4|brand|region|encoding|object_id)$"
)
"""Texts that our code or an administrator writes: names of things, not of persons."""
STRUCTURED = {
    *("AuditEntry.query", "AuditEntry.target_ids", "AuditEntry.details"),  # has none, by its rule
    *("BulkAction.query", "BulkAction.run_ids", "BulkAction.values", "SavedView.query"),
    *("Order.bill", "Order.progress", "Order.delivery", "OrderLine.options", "Payment.lines"),
    *("Order.claims", "Reconciliation.failures"),
    *("DayClose.sums", "DayClose.tenders", "DailyDemand.lines", "DailyDemand.context"),
    *("TimeCard.breaks", "TrainingRound.stores", "Refund.lines", "SalesReport.lines"),
    *("WorkerProcess.queues", "WorkerProcess.registered", "WorkerProcess.versions"),
    *("Examination.findings", "Examination.facts", "RefusedEvent.problems"),
    *("SearchIndex.vectors", "Search.vectors", "ApiKey.scopes", "AlertRule.thresholds"),
    *("WebhookSource.credentials", "Subscription.secrets", "AlertChannel.secrets"),
    *("AlertMessage.content", "Alert.facts", "TaskRun.options", "GroupResult.result"),
}
"""JSON of a fixed form of our own. Where tills write into it, a test of its own has it."""


def planted() -> list[Any]:
    """A row of every model with personal data wherever the model has room for it."""
    made = []
    for model in sorted(apps.get_models(), key=lambda each: each._meta.label):
        if issubclass(model, AppendOnlyModel):
            continue
        if model._meta.app_label in LABELS and model._meta.managed and not model._meta.proxy:
            row = rows.row_of(model)
            for name, value in _values(model):
                model._base_manager.filter(pk=row.pk).update(**{name: value})
            made.append(row)
    return [*made, _told_in_the_audit_log(made)]


def _told_in_the_audit_log(made: list[Any]) -> AuditEntry:
    """An entry whose reason, a person's own words, names somebody: it cannot be changed later."""
    (run,) = (row for row in made if isinstance(row, TaskRun))
    audit.record(action="run.retry", by="kim", source=AuditSource.ADMIN, rows=[run], reason=TEXT)
    return AuditEntry.objects.get()


def _values(model: Any) -> Iterator[tuple[str, Any]]:
    for field in model._meta.concrete_fields:
        name = f"{model.__name__}.{field.name}"
        if name in STRUCTURED or isinstance(field, ExactJSONField) or field.primary_key:
            continue
        if isinstance(field, models.JSONField):
            yield field.name, [TEXT, PERSON] if field.default is list else PERSON
        elif isinstance(field, models.CharField | models.TextField) and _is_free(field, model):
            most = field.max_length or len(TEXT)
            yield field.name, TEXT if most >= len(TEXT) else PHONE if most >= len(PHONE) else ""


def _is_free(field: Any, model: Any) -> bool:
    if field.choices or field.unique or CODES.search(field.name):
        return False
    return model._meta.label not in ("neural.QueueFigures",) and field.name not in (
        *("figures", "content", "addresses", "periodic_task_name", "meta"),
    )


def addresses(made: list[Any]) -> Iterator[str]:
    """Every address of the admin that these rows have, found in the site's own patterns."""
    by_name = {row._meta.model_name: row for row in made}
    for pattern in _patterns(get_resolver()):
        name = str(pattern.name or "")
        wanted = list(pattern.pattern.converters)
        row = next((each for key, each in by_name.items() if f"_{key}_" in f"_{name}_"), None)
        if name.endswith(("_delete", "_add", "logout", "password_change")):
            continue
        arguments = {each: _argument(each, row) for each in wanted}
        try:
            yield reverse(f"admin:{name}", kwargs=arguments)
        except NoReverseMatch:
            continue


def _argument(name: str, row: Any) -> Any:
    return {"verb": "none", "app_label": "neural"}.get(name, quote(row.pk) if row else "1")


def _patterns(resolver: Any) -> Iterator[Any]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            if each.namespace in (None, "admin"):
                yield from _patterns(each)
        elif each.name:
            yield each


def client_without(*codenames: str) -> Any:
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.exclude(codename__in=codenames))
    return world.logged_in(user)


def pages(client: Any, made: list[Any]) -> dict[str, str]:
    """What each address answers, as text without entities."""
    found = {}
    for address in addresses(made):
        response = client.get(address, headers={"HX-Request": ""})
        if response.status_code == 200:
            body = b"".join(response) if response.streaming else response.content
            found[address] = html.unescape(body.decode(errors="replace"))
    return found


def test_no_page_shows_planted_personal_data_without_the_permission() -> None:
    made = planted()

    found = pages(client_without("view_personal_data"), made)

    assert len(found) > 60
    shown = {
        address: value
        for address, page in found.items()
        for value in (PHONE, EMAIL, CARD, NAME)
        if value in re.sub(r"<mark>|</mark>", "", page)
    }
    assert shown == {}


def test_with_the_permission_pages_show_it() -> None:
    made = planted()

    found = pages(client_without(), made)

    for model in (NeuralEvent, TaskRun, RefusedEvent):
        (row,) = (each for each in made if type(each) is model)
        page = found[world.page_of(row)]
        assert PHONE in page
        assert EMAIL in page
    assert NAME in found[world.page_of(next(each for each in made if type(each) is NeuralEvent))]
    assert TaskAttempt.objects.exists()
