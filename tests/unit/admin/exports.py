"""What the tests of files of lists have in common."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from neural.admin.exporting import streaming
from neural.models import AuditEntry
from neural.personal import redacting
from tests.unit.admin import admin_world as world

EXPORT = "export_rows"


def exporter(*permissions: str, **options: Any) -> Client:
    """A user who may export what they may view, and sees personal data."""
    return world.client_of(EXPORT, "view_personal_data", *permissions, **options)


def named(model: str) -> type[Model]:
    """The model of this name that the default site shows."""
    return next(each for each in admin.site._registry if each._meta.model_name == model)


def list_of(model: str) -> str:
    """The address of its list."""
    return reverse(f"admin:{named(model)._meta.app_label}_{model}_changelist")


def file_of(client: Any, model: str, written: str, query: str = "") -> bytes:
    """The content of a list's file."""
    answer = client.get(f"{list_of(model)}export.{written}{query}")
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def table(client: Any, model: str, query: str = "") -> list[dict[str, str]]:
    """The rows of a CSV file, by heading."""
    text = file_of(client, model, "csv", query).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def objects(client: Any, model: str, query: str = "") -> list[dict[str, Any]]:
    """The lines of an NDJSON file."""
    return [json.loads(each) for each in file_of(client, model, "ndjson", query).splitlines()]


def entries() -> list[tuple[str, int]]:
    """Outcome and number of rows of the exports in the audit log."""
    found = AuditEntry.objects.standing().filter(action="export").order_by("pk")
    return list(found.values_list("outcome", "count"))


def places_left() -> int:
    """How many more files this process would send at once."""
    return streaming.AT_ONCE - len(streaming._under_way)


def hides(monkeypatch: pytest.MonkeyPatch, *, key: str, pattern: str) -> None:
    """Personal data are what stands under this key, and this text anywhere."""

    def hidden(value: Any, **where: Any) -> Any:
        if isinstance(value, dict):
            return {each: "***" if each == key else hidden(own) for each, own in value.items()}
        if isinstance(value, list):
            return [hidden(each) for each in value]
        return text(value) if isinstance(value, str) else value

    def text(value: str) -> str:
        return value.replace(pattern, "***")

    rules: dict[str, Callable[[Any], Any]] = {"redacted": hidden, "redacted_text": text}
    for name, rule in rules.items():
        monkeypatch.setattr(redacting, name, rule)
