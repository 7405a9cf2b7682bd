"""A NUL in an address, which PostgreSQL's text cannot hold, is a bad request and never a crash."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.pages.test_admin_permissions import ALL, label

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NUL = "a\0b"
OF_EVERY_LIST = ("q", "before", "after", "p", "o", "e", "all", "_facets", "unknown")
OF_OTHER_PAGES = ("until", "day", "store", "q", "collection", "next", "_popup", "_to_field")


def parameters_of(model: Any) -> Iterator[str]:
    """What a list's address may name: of filters, the stock ones' lookups too."""
    model_admin = admin.site._registry[model]
    yield from OF_EVERY_LIST
    for each in model_admin.get_list_filter(None):
        name = each[0] if isinstance(each, tuple) else each
        yield name if isinstance(name, str) else name.parameter_name
        if isinstance(name, str):
            yield from (f"{name}__exact", f"{name}__gte", f"{name}__isnull", f"{name}__in")
    if model_admin.date_hierarchy:
        yield f"{model_admin.date_hierarchy}__year"


@pytest.mark.parametrize("model", ALL, ids=label)
def test_no_parameter_of_a_list_crashes_it(model: Any) -> None:
    client, meta = world.superuser(), model._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")

    for name in parameters_of(model):
        for also in ({}, {"store": "S1"}, {"q": "x"}):
            answer = client.get(f"{address}?{urlencode({**also, name: NUL})}")
            assert answer.status_code in (200, 302, 400), (name, also)


@pytest.mark.parametrize("model", ALL, ids=label)
def test_no_other_page_of_a_row_crashes_either(model: Any) -> None:
    client = world.superuser()
    row = admin_rows.row_of(model)
    for pattern in admin.site._registry[model].get_urls():
        if pattern.name is None:
            continue
        names = list(pattern.pattern.converters)
        texts = [name for name in names if name in ("object_id", "code", "id")]
        known = {"object_id": row.pk, "id": row.pk, "number": row.pk, "code": "S1", "verb": "x"}
        chosen = {name: known[name] for name in names}
        address = reverse(f"admin:{pattern.name}", kwargs=chosen)
        tried = [f"{address}?{urlencode({name: NUL})}" for name in OF_OTHER_PAGES]
        for name in texts:
            with_nul = reverse(f"admin:{pattern.name}", kwargs={**chosen, name: NUL})
            tried += [with_nul]
        for each in tried:
            assert client.get(each).status_code in (200, 302, 400, 403, 404, 405), each
        for each in tried[len(OF_OTHER_PAGES) :]:
            assert client.post(each).status_code in (302, 400, 403, 404, 405), each


@pytest.mark.parametrize("name", ["term", "app_label", "model_name", "field_name"])
def test_autocompletion_does_not_crash(name: str) -> None:
    asked = {"app_label": "neural", "model_name": "taskrun", "field_name": "event", "term": "x"}

    answer = world.superuser().get(reverse("admin:autocomplete"), {**asked, name: NUL})

    assert answer.status_code in (200, 400, 403, 404)


FORMS = [each for each in ALL if admin.site._registry[each].autocomplete_fields]


@pytest.mark.parametrize("model", FORMS, ids=label)
def test_no_row_that_a_form_names_crashes_it(model: Any) -> None:
    client, meta = world.superuser(), model._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_add")

    for name in admin.site._registry[model].autocomplete_fields:
        assert client.post(address, {name: ["S1", NUL]}).status_code in (400, 403), name


def test_a_bad_request_is_said_to_be_one() -> None:
    answer = world.superuser().get(world.list_of("taskrun"), {"handler": NUL})

    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()
