"""Finds every address of the project, and a row of the store THEIRS for each that needs one.

What stands for a parameter is found by the parameter's name. An address whose parameters are not
known is an error that says where to add them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from neural.models import BulkVerb, NeuralEvent, Store, TaskRun
from neural.restaurant.models import Order
from tests.unit.admin import admin_rows
from tests.unit.pages import marked_rows

STOCK = ("changelist", "add", "history", "delete", "change")
PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
SWITCHES = ("enable_tasks", "disable_tasks", "none")


@dataclass(frozen=True)
class Address:
    """A path; ``pattern`` is the name of its pattern, ``model`` the model of its admin if any."""

    path: str
    pattern: str
    model: Any = None
    verb: str = ""

    @property
    def is_stock(self) -> bool:
        """Whether it is one of those that Django's admin has for each model."""
        return self.model is not None and self.pattern.rpartition("_")[2] in STOCK

    def __str__(self) -> str:
        return f"{self.path} ({self.pattern})"


class ParameterUnknown(AssertionError):
    """An address has a parameter of which nothing is known here."""


@dataclass
class Finder:
    """The addresses of the URL configuration, for the rows of one database."""

    models: Mapping[str, Any] = field(
        default_factory=lambda: {
            f"{model._meta.app_label}_{model._meta.model_name}": model
            for model in admin.site._registry
        }
    )

    def addresses(self) -> list[Address]:
        """All of them, each path once."""
        found = self._of(get_resolver().url_patterns, "/")
        return list({each.path: each for each in found}.values())

    def _of(self, patterns: Any, before: str) -> Iterator[Address]:
        for each in patterns:
            route = before + _route(each.pattern)
            if isinstance(each, URLResolver):
                yield from self._of(each.url_patterns, route)
            elif isinstance(each, URLPattern):
                yield from self._filled(route, each)

    def _filled(self, route: str, pattern: URLPattern) -> Iterator[Address]:
        name = pattern.name or "?"
        if name == "autocomplete":
            yield from self._autocompletions(route)
            return
        model = self._model_of(name)
        names = [found[1] for found in PARAMETER.findall(route)]
        known = [self._values(each, route, model) for each in names]
        for values in product(*known):
            chosen = dict(zip(names, values, strict=True))
            path = PARAMETER.sub(lambda found: str(chosen[found[2]]), route)  # noqa: B023
            for query in ("", *map("?{}".format, QUERIES.get(name, list)())):
                yield Address(path + query, name, model, str(chosen.get("verb", "")))

    def _autocompletions(self, route: str) -> Iterator[Address]:
        """One for each relation that leads to a model whose admin can be searched."""
        for model in self.models.values():
            for each in model._meta.get_fields():
                if getattr(each, "remote_field", None) and each.concrete:
                    meta = model._meta
                    names = {"app_label": meta.app_label, "model_name": meta.model_name}
                    query = urlencode({**names, "field_name": each.name})
                    yield Address(f"{route}?{query}", "autocomplete")

    def _model_of(self, name: str) -> Any:
        fitting = [key for key in self.models if name.startswith(f"{key}_")]
        return self.models[max(fitting, key=len)] if fitting else None

    def _values(self, name: str, route: str, model: Any) -> list[str]:
        """What stands for a parameter: one value, or each verb."""
        if name == "verb":
            verbs = [each.name for each in getattr(_admin_of(model), "verbs", ())]
            return [*verbs, "none"] if verbs else list(SWITCHES)
        if "/schedulepolicy/" in route:
            return [str(admin_rows.row_of(PeriodicTask).pk)]
        if name in ("object_id", "number") and model is not None:
            return [quote(admin_rows.row_of(model).pk)]
        if name == "id" and model is not None:
            return [str(admin_rows.row_of(model).pk)]
        if name in VALUES:
            return [str(VALUES[name]())]
        raise ParameterUnknown(
            f"{route} is new, and nothing is known of its parameter <{name}>: add a line to "
            "VALUES in tests/unit/pages/every_address.py with what stands for it, a row of THEIRS"
        )


def _admin_of(model: Any) -> Any:
    return admin.site._registry.get(model)


def _route(pattern: Any) -> str:
    if isinstance(pattern, RoutePattern):
        return str(pattern)
    assert isinstance(pattern, RegexPattern)
    # Django's admin has two: the lists of one app, and whatever is nowhere else.
    shown = re.sub(r"\(\?P<app_label>[^)]*\)", "<app_label>", str(pattern))
    return re.sub(r"\(\?P<url>[^)]*\)", "<url>", shown).strip("^$")


VALUES: Mapping[str, Any] = {
    "object_id": lambda: admin_rows.row_of(Store).pk,  # of an address without a name
    "content_type_id": lambda: ContentType.objects.get_for_model(Store).pk,
    "app_label": lambda: "neural",
    "url": lambda: "no/such/page",
    "code": lambda: admin_rows.STORE,
    "store": lambda: admin_rows.STORE,
    "order": lambda: admin_rows.row_of(Order).key,
    "day": lambda: timezone.localdate(),
    "id": lambda: admin_rows.row_of(NeuralEvent).pk,
    "number": lambda: marked_rows.saved_view().pk,
    "task_id": lambda: admin_rows.row_of(TaskRun).task_id,
    "rest": lambda: "no/such/endpoint",
    "name": lambda: "no-such-source",
}

QUERIES: Mapping[str, Any] = {
    "neural_bulkaction_preview": lambda: [
        *(f"verb={verb}" for verb in BulkVerb.values),
        f"verb=retry&_selected_action={admin_rows.row_of(TaskRun).pk}",
    ],
    "neural_taskrun_live": lambda: [f"shown={admin_rows.row_of(TaskRun).pk}"],
}
"""Queries without which the page of a pattern shows no row."""
