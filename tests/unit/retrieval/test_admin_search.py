"""Finding rows: by whole keys and by filters, each answered by an index."""

import pytest

from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("term", ["e1", " e1 ", "t1"])
def test_events_are_found_by_their_whole_id_and_by_a_task_id(term: str) -> None:
    world.events(3)

    assert world.listed(world.superuser(), f"{world.list_of('neuralevent')}?q={term}") == ["e1"]


def test_a_part_of_an_id_finds_nothing() -> None:
    world.events(3)

    assert world.listed(world.superuser(), f"{world.list_of('neuralevent')}?q=e") == []


def test_a_store_code_finds_the_rows_of_the_store() -> None:
    world.events(2)
    world.event("other", at="S2")

    assert world.listed(world.superuser(), f"{world.list_of('neuralevent')}?q=S2") == ["other"]


def test_a_search_is_an_equality_that_the_index_answers() -> None:
    world.events(1)

    searched = world.statements(world.superuser(), world.list_of("taskrun") + "?text=t0")

    assert any("\"task_id\" = 't0'" in sql or '"task_id" = ' in sql for sql in searched)
    runs = [sql for sql in searched if 'FROM "neural_taskrun"' in sql]
    assert not [sql for sql in runs if "LIKE" in sql or "UPPER(" in sql]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=dead", ["a"]),
        ("queue=high_priority", ["b"]),
        ("store=S2", ["c"]),
        ("work=h", ["d"]),
        ("work=app.other", ["b"]),
    ],
)
def test_runs_are_filtered_by_state_queue_store_and_work(query: str, found: list[str]) -> None:
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

    assert world.listed(client, world.list_of("neuralevent") + "?unhandled=1") == ["a"]
    assert world.listed(client, world.list_of("neuralevent") + "?type=order.created") == ["b"]


@pytest.mark.parametrize("lookup", ["store__name__contains=x", "payload__contains=1", "id=1"])
def test_a_lookup_that_no_filter_names_is_refused(lookup: str) -> None:
    assert world.superuser().get(f"{world.list_of('neuralevent')}?{lookup}").status_code == 400


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
    world.events(1)
    client = world.superuser()

    page = client.get(world.list_of("neuralevent") + "?type=order.created").content.decode()

    assert 'name="store"' in page
    assert '<option value="order.created" selected>' in page  # it is sent with the code
    assert "store=S29" not in page
