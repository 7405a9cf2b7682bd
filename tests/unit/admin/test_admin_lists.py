"""Lists at ten million rows: paged by key, searched by key, a fixed number of queries."""

import re
from typing import Any

import pytest
from django.contrib import admin

from neural.admin.scope import HistoryAdmin, ReadOnlyAdmin
from neural.kit.keyset.bounded import MOST_ROWS
from neural.models import QueuePause, WorkerProcess
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

LARGE = [
    model._meta.model_name
    for model, model_admin in admin.site._registry.items()
    if isinstance(model_admin, ReadOnlyAdmin) and model not in (QueuePause, WorkerProcess)
]
"""Pauses are few, and the page of workers shows those that live and the newest others."""


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, ReadOnlyAdmin):
            monkeypatch.setattr(model_admin, "list_per_page", 3)


@pytest.mark.parametrize("model", LARGE)
@pytest.mark.parametrize("query", ["", "?q=none", "?before=9&_facets=1&all=", "?p=3&o=1.-2"])
def test_a_large_list_neither_counts_nor_skips_nor_sorts_by_anything_but_its_key(
    model: str, query: str
) -> None:
    world.events(5)

    for sql in world.statements(world.superuser(), world.list_of(model) + query):
        if f'FROM "neural_{model}"' in sql:
            assert not re.search(r"COUNT\(|DISTINCT", sql), sql
            assert all(int(skipped) < MOST_ROWS for skipped in re.findall(r"OFFSET (\d+)", sql))
            order = re.search(r"ORDER BY (.*?)(?: LIMIT|$)", sql)
            assert not order or re.fullmatch(order_of(model), order[1]) or _within(sql), sql


def _within(sql: str) -> bool:
    """Whether the rows are in the order of a column of which one value is asked for: there, the
    newest come first in its index."""
    column = re.search(r"ORDER BY (\S+|SUBSTR\(.*\)) ASC, 1 DESC LIMIT 1000$", sql)
    return bool(column) and f"{column[1]} >= 'none' AND {column[1]} <= 'none'" in sql


def order_of(model: str) -> str:
    """The primary key, or the columns that the list pages by: an index has them."""
    key = r'(\S+\."id"|1|\S+\."store_id" (?:ASC|DESC), .*) (DESC|ASC)'
    columns = ('"starts_on" DESC', '"unusual" DESC', '"rank" ASC', '"id" ASC')
    in_order = ", ".join(rf"\S+\.{column}" for column in columns)
    return f"{key}|{in_order}" if model == "demandsummary" else key


def test_every_list_of_history_pages_by_key() -> None:
    assert len(LARGE) >= 10
    assert {type(each) for each in admin.site._registry.values() if isinstance(each, HistoryAdmin)}
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, ReadOnlyAdmin):
            assert model_admin.date_hierarchy is None
            assert model_admin.show_full_result_count is False


@pytest.mark.parametrize("model", ["neuralevent", "taskrun"])
def test_a_list_takes_as_many_queries_for_a_full_page_as_for_one_row(
    model: str, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin.site._registry[_model(model)], "list_per_page", 20)
    client = world.superuser()
    world.events(1)
    one = len(world.statements(client, world.list_of(model)))
    for number in range(12):
        world.run(
            event=world.event(f"x{number}", at=f"T{number}"), handler="h", task_id=f"x{number}"
        )

    with django_assert_num_queries(one):
        client.get(world.list_of(model))
    assert one <= (7 if model == "neuralevent" else 20)  # the list of runs has more to choose from


@pytest.mark.parametrize("model", ["neuralevent", "taskrun"])
def test_a_page_of_one_row_takes_a_bounded_number_of_queries(
    model: str, django_assert_max_num_queries: Any
) -> None:
    event = world.event()
    runs = [world.run("dead", event=event, handler=f"h{n}", task_id=f"t{n}") for n in range(8)]

    page = world.page_of(event if model == "neuralevent" else runs[0])

    client = world.superuser()
    client.get(page)  # a process reads the types of content once

    with django_assert_max_num_queries(20):  # each panel of another app takes one
        client.get(page)


def test_a_list_leaves_the_large_columns_out() -> None:
    world.events(2)
    client = world.superuser()

    of_events = " ".join(world.statements(client, world.list_of("neuralevent")))
    of_runs = [
        each
        for each in world.statements(client, world.list_of("taskrun"))
        if 'FROM "neural_taskrun"' in each  # an order's number is taken out of a payload
    ]

    assert '"payload"' not in of_events + " ".join(of_runs)
    assert '"kwargs"' not in of_events + " ".join(of_runs)
    assert '"result"' not in " ".join(of_runs)


def test_pages_go_older_and_newer_by_key_without_gap_or_overlap() -> None:
    world.events(8)
    client, address = world.superuser(), world.list_of("neuralevent")

    first = client.get(address).context["cl"]
    second = client.get(address + first.older_url).context["cl"]
    third = client.get(address + second.older_url).context["cl"]

    ids = [[row.event_id for row in page.result_list] for page in (first, second, third)]
    assert ids == [["e7", "e6", "e5"], ["e4", "e3", "e2"], ["e1", "e0"]]
    assert first.newer_url is None
    assert third.older_url is None
    assert world.listed(client, address + third.newer_url) == ids[1]
    assert world.listed(client, address + second.newer_url) == ids[0]


def test_beyond_the_newest_row_the_newest_page_is_shown() -> None:
    made = world.events(2)

    found = world.listed(world.superuser(), f"{world.list_of('neuralevent')}?after={made[-1].pk}")

    assert found == ["e1", "e0"]


@pytest.mark.parametrize("place", ["before=x", "after=-1", "before=" + "9" * 40, "before=²"])
def test_a_place_that_is_no_key_is_ignored(place: str) -> None:
    world.events(2)

    assert world.listed(world.superuser(), f"{world.list_of('neuralevent')}?{place}") == [
        "e1",
        "e0",
    ]


def test_filters_are_kept_from_page_to_page_and_a_new_filter_starts_at_the_newest() -> None:
    world.events(5)
    client = world.superuser()
    address = world.list_of("neuralevent")

    page = client.get(f"{address}?store=S1&before=999999").context["cl"]

    assert "store=S1" in page.older_url
    assert "before" not in page.get_query_string({"type": "order.created"})


def _model(name: str) -> Any:
    return next(model for model in admin.site._registry if model._meta.model_name == name)
