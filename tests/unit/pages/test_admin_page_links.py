"""Every list that pages by key has links to its other pages, whichever app it belongs to."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory

from neural.admin.paging import KeysetChangeList, OrderedChangeList
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

# What they show are no rows of a list.
OWN_PAGES = ("Examination", "QueuePause", "Retention", "SchedulePolicy", "Search", "TaskRun")


def keyset_models() -> list[type]:
    request = RequestFactory().get("/")
    return [
        model
        for model, model_admin in admin.site._registry.items()
        if issubclass(model_admin.get_changelist(request), KeysetChangeList)
        and model.__name__ not in OWN_PAGES
    ]


def one_more(changes: Any, *_where: Any) -> tuple[None, int]:
    changes.result_list = []
    return None, 3


@pytest.mark.parametrize("model", keyset_models(), ids=lambda model: model._meta.label)
def test_a_list_that_pages_by_key_links_to_older_rows(
    model: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (KeysetChangeList, OrderedChangeList):
        monkeypatch.setattr(kind, "show", one_more)
    name = model._meta.model_name  # type: ignore[attr-defined]
    # The plain list of workers is behind their page.
    query = "?q=" if name == "workerprocess" else ""

    page = world.superuser().get(world.list_of(name) + query).content.decode()

    assert re.search(r'before=3[^"]*" rel="next"', page)
