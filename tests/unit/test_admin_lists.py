"""Lists at ten million rows: paged by key, searched by key, a fixed number of queries."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from neural.admin.scope import HistoryAdmin, ReadOnlyAdmin
from tests.unit import admin_world as world

pytestmark = pytest.mark.django_db

LARGE = [
    model._meta.model_name
    for model, model_admin in admin.site._registry.items()
    if isinstance(model_admin, ReadOnlyAdmin)
]


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, ReadOnlyAdmin):
            monkeypatch.setattr(model_admin, "list_per_page", 3)


def statements(client: Any, address: str) -> Sequence[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in queries]


def events(count: int) -> list[Any]:
    made = []
    for number in range(count):
        event = world.event(f"e{number}")
        world.run(event=event, handler="h", task_id=f"t{number}")
        made.append(event)
    return made


def listed(client: Any, address: str) -> list[str]:
    return [row.event_id for row in client.get(address).context["cl"].result_list]


@pytest.mark.parametrize("model", LARGE)
@pytest.mark.parametrize("query", ["", "?q=none", "?before=9&_facets=1&all=", "?p=3&o=1.-2"])
def test_a_large_list_neither_counts_nor_skips_nor_sorts_by_anything_but_its_key(
    model: str, query: str
) -> None:
    events(5)

    for sql in statements(world.superuser(), world.list_of(model) + query):
        if f'FROM "neural_{model}"' in sql:
            assert not re.search(r"COUNT\(|OFFSET|DISTINCT", sql), sql
            order = re.search(r"ORDER BY (.*?)(?: LIMIT|$)", sql)
            assert not order or re.fullmatch(r'\S+\."id" (DESC|ASC)', order[1]), sql


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
    events(1)
    one = len(statements(client, world.list_of(model)))
    for number in range(12):
        world.run(
            event=world.event(f"x{number}", at=f"T{number}"), handler="h", task_id=f"x{number}"
        )

    with django_assert_num_queries(one):
        client.get(world.list_of(model))
    assert one <= 6


@pytest.mark.parametrize("model", ["neuralevent", "taskrun"])
def test_a_page_of_one_row_takes_a_bounded_number_of_queries(
    model: str, django_assert_max_num_queries: Any
) -> None:
    event = world.event()
    runs = [world.run("dead", event=event, handler=f"h{n}", task_id=f"t{n}") for n in range(8)]

    client = world.superuser()

    with django_assert_max_num_queries(8):
        client.get(world.page_of(event if model == "neuralevent" else runs[0]))


def test_a_list_leaves_the_large_columns_out() -> None:
    events(2)
    client = world.superuser()

    of_events = " ".join(statements(client, world.list_of("neuralevent")))
    of_runs = " ".join(statements(client, world.list_of("taskrun")))

    assert '"payload"' not in of_events + of_runs
    assert '"kwargs"' not in of_events + of_runs
    assert '"result"' not in of_runs


def test_pages_go_older_and_newer_by_key_without_gap_or_overlap() -> None:
    events(8)
    client, address = world.superuser(), world.list_of("neuralevent")

    first = client.get(address).context["cl"]
    second = client.get(address + first.older_url).context["cl"]
    third = client.get(address + second.older_url).context["cl"]

    ids = [[row.event_id for row in page.result_list] for page in (first, second, third)]
    assert ids == [["e7", "e6", "e5"], ["e4", "e3", "e2"], ["e1", "e0"]]
    assert first.newer_url is None
    assert third.older_url is None
    assert listed(client, address + third.newer_url) == ids[1]
    assert listed(client, address + second.newer_url) == ids[0]


def test_beyond_the_newest_row_the_newest_page_is_shown() -> None:
    made = events(2)

    found = listed(world.superuser(), f"{world.list_of('neuralevent')}?after={made[-1].pk}")

    assert found == ["e1", "e0"]


@pytest.mark.parametrize("place", ["before=x", "after=-1", "before=" + "9" * 40, "before=²"])
def test_a_place_that_is_no_key_is_ignored(place: str) -> None:
    events(2)

    assert listed(world.superuser(), f"{world.list_of('neuralevent')}?{place}") == ["e1", "e0"]


def test_filters_are_kept_from_page_to_page_and_a_new_filter_starts_at_the_newest() -> None:
    events(5)
    client = world.superuser()
    address = world.list_of("neuralevent")

    page = client.get(f"{address}?store=S1&before=999999").context["cl"]

    assert "store=S1" in page.older_url
    assert "before" not in page.get_query_string({"type": "order.created"})


@pytest.mark.parametrize("term", ["e1", " e1 ", "t1"])
def test_events_are_found_by_their_whole_id_and_by_a_task_id(term: str) -> None:
    events(3)

    assert listed(world.superuser(), f"{world.list_of('neuralevent')}?q={term}") == ["e1"]


def test_a_part_of_an_id_finds_nothing() -> None:
    events(3)

    assert listed(world.superuser(), f"{world.list_of('neuralevent')}?q=e") == []


def test_a_store_code_finds_the_rows_of_the_store() -> None:
    events(2)
    world.event("other", at="S2")

    assert listed(world.superuser(), f"{world.list_of('neuralevent')}?q=S2") == ["other"]


def test_a_search_is_an_equality_that_the_index_answers() -> None:
    events(1)

    searched = statements(world.superuser(), world.list_of("taskrun") + "?q=t0")

    assert any("\"task_id\" = 't0'" in sql or '"task_id" = ' in sql for sql in searched)
    assert not [sql for sql in searched if "LIKE" in sql or "UPPER(" in sql]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=dead", ["a"]),
        ("queue=high_priority", ["b"]),
        ("store=S2", ["c"]),
        ("handler=h", ["d"]),
        ("task=app.other", ["b"]),
    ],
)
def test_runs_are_filtered_by_state_queue_store_handler_and_task(
    query: str, found: list[str]
) -> None:
    world.run("dead", task_id="a")
    world.run(task_id="b", queue="high_priority", task="app.other")
    world.run(task_id="c", store=world.store("S2"))
    world.run(task_id="d", event=world.event(), handler="h", task="app.other")

    page = world.superuser().get(f"{world.list_of('taskrun')}?{query}").context["cl"]

    assert [run.task_id for run in page.result_list] == found


def test_events_are_filtered_by_type_and_by_having_had_no_handler() -> None:
    world.event("a", unhandled=True, kind="feedback.received")
    world.event("b")
    client = world.superuser()

    assert listed(client, world.list_of("neuralevent") + "?unhandled=1") == ["a"]
    assert listed(client, world.list_of("neuralevent") + "?type=order.created") == ["b"]


@pytest.mark.parametrize("lookup", ["error__icontains=x", "event__payload__contains=1", "id=1"])
def test_a_lookup_that_no_filter_names_is_refused(lookup: str) -> None:
    assert world.superuser().get(f"{world.list_of('taskrun')}?{lookup}").status_code == 400


def test_a_business_day_is_asked_for_once_a_store_is_chosen() -> None:
    client = world.superuser()
    address = world.list_of("dailydemand")
    world.store()

    assert 'type="date"' not in client.get(address).content.decode()
    assert 'type="date"' in client.get(f"{address}?store=S1").content.decode()
    assert client.get(f"{address}?store=S1&day=nonsense").status_code == 200


def test_a_chain_of_many_stores_gets_a_field_for_the_code() -> None:
    for number in range(30):
        world.store(f"S{number:02}")
    events(1)
    client = world.superuser()

    page = client.get(world.list_of("neuralevent") + "?type=order.created").content.decode()

    assert 'name="store"' in page
    assert '<input type="hidden" name="type" value="order.created">' in page
    assert "store=S29" not in page


def _model(name: str) -> Any:
    return next(model for model in admin.site._registry if model._meta.model_name == name)
