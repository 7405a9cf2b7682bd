"""What is nested deeper than Python can decode is shown all the same, and bounded.

Submitting refuses such payloads; rows that were recorded before it did are still there.
"""

import json
from typing import Any

import pytest
from django.db import connection

from neural.admin.display import SHOWN_CHARACTERS, depth_of
from neural.models import NeuralEvent, TaskRun
from neural.restaurant.models import Dish, SalesReport
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

LEVELS = 950
DEEP = '{"order_id":"1","deep":' + "[" * LEVELS + '"<b>bottom</b>"' + "]" * LEVELS + "}"


def put(row: Any, *fields: str, text: str = DEEP) -> None:
    """As a text: to write it as a value, Python would have to encode it."""
    table, changes = row._meta.db_table, ", ".join(f"{field} = %s" for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {changes} WHERE id = %s",
            [*[text] * len(fields), row.pk],
        )


def test_an_events_page_its_list_and_its_verbs_bear_a_deep_payload() -> None:
    event = world.event(unhandled=True)
    run = world.run("dead", event=event, handler="h")
    put(event, "payload")
    put(run, "args", "kwargs", "result")
    client = world.superuser()

    page = client.get(world.page_of(event)).content.decode()
    replayed = client.post(world.act_on(event, "replay"), follow=True)

    assert f"Nested {LEVELS + 1} levels deep" in page
    assert "[[[[" in page
    assert "<b>bottom" not in page
    assert replayed.status_code == 200
    for address in (world.list_of("neuralevent"), page_history(event)):
        assert client.get(address).status_code == 200


def page_history(row: Any) -> str:
    return world.page_of(row).replace("/change/", "/history/")


def test_a_runs_page_and_its_verbs_bear_deep_arguments_and_results() -> None:
    run = world.run("dead")
    put(run, "args", "kwargs", "result")
    client = world.superuser()

    page = client.get(world.page_of(run)).content.decode()
    client.post(world.act_on(run, "retry"))

    assert page.count(f"Nested {LEVELS + 1} levels deep") == 3
    assert TaskRun.objects.only("state").get(pk=run.pk).state == "pending"
    assert client.get(world.list_of("taskrun")).status_code == 200


@pytest.mark.parametrize(("model", "field"), [(Dish, "details"), (SalesReport, "context")])
def test_read_models_bear_it_as_well(model: Any, field: str) -> None:
    row = admin_rows.row_of(model)
    put(row, field)

    page = world.superuser().get(world.page_of(row)).content.decode()

    assert f"Nested {LEVELS + 1} levels deep" in page


def test_what_is_deep_and_long_is_cut() -> None:
    event = world.event()
    put(event, "payload", text='{"a":' + "[" * 500 + '"' + "x" * 200_000 + '"' + "]" * 500 + "}")

    page = world.superuser().get(world.page_of(event)).content.decode()

    assert 0 < page.count("x") < SHOWN_CHARACTERS + 2000


def test_what_is_not_deep_is_shown_line_by_line_as_ever() -> None:
    event = world.event(payload={"lines": [{"dish": "蛋挞 [x]"}], "note": 'a "quoted" ]}'})

    page = world.superuser().get(world.page_of(event)).content.decode()

    assert "蛋挞 [x]" in page
    assert "levels deep" not in page
    assert NeuralEvent.objects.get(pk=event.pk).payload["lines"]


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("[[[", 0), ([], 1), ({"a": [1, {"b": []}]}, 4), (['"]', "\\"], 1)],
)
def test_depth_is_counted_outside_of_strings(value: Any, depth: int) -> None:
    assert depth_of(json.dumps(value)) == depth
