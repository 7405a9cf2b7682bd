"""Files of the admin's lists: every list has them and links to them; what their columns are."""

import datetime as dt
import json
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.utils import timezone

from neural.admin.exporting import columns
from neural.admin.scope import NeuralAdmin
from neural.models import NeuralEvent
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.admin.exports import exporter, file_of, list_of, named, objects, table

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

LISTS = [
    model._meta.model_name
    for model, model_admin in admin.site._registry.items()
    if isinstance(model_admin, NeuralAdmin)
    and any(str(each.name).endswith("_export_csv") for each in model_admin.get_urls())
]
PAGES_WITHOUT_ROWS = {
    "search",
    "examination",
    "retention",
    "queuepause",
    "schedulepolicy",
    "alertrule",
}


def test_every_list_of_ours_has_files_but_pages_that_are_no_lists() -> None:
    ours = [
        model._meta.model_name
        for model, model_admin in admin.site._registry.items()
        if isinstance(model_admin, NeuralAdmin)
        and not model._meta.app_label.startswith("django_celery")  # ours guard them alone
    ]

    assert len(LISTS) > 30
    assert set(ours) - set(LISTS) == PAGES_WITHOUT_ROWS


@pytest.mark.parametrize("model", LISTS)
def test_a_list_as_a_file_has_its_rows(model: str) -> None:
    row = admin_rows.row_of(named(model))
    client = world.superuser()

    told = objects(client, model)
    for_people = file_of(client, model, "csv").decode("utf-8-sig").splitlines()

    assert row.pk in [next(iter(each.values())) for each in told] or model == "alert"
    assert len(for_people) >= 2 or model == "alert"  # its row is pending: not shown to anybody


@pytest.mark.parametrize("model", LISTS)
def test_no_column_of_a_file_may_be_a_secret(model: str) -> None:
    model_admin: Any = admin.site._registry[named(model)]
    found = columns.columns_of(
        model_admin.model, model_admin.export_fields, left_out=model_admin.export_left_out
    )

    names = {each.name for each in found}

    assert names
    assert not names & {
        *("secrets", "credentials", "secret_hash", "token", "url", "server_state"),
        *("payload",) * (model == "storeupdate"),
        *("content",) * (model == "modelversion"),
    }


@pytest.mark.parametrize("model", ["apikey", "subscription", "webhooksource", "alertchannel"])
def test_secrets_are_in_no_file(model: str) -> None:
    row = admin_rows.row_of(named(model))
    kept = [name for name in ("secret_hash", "secrets", "credentials") if hasattr(row, name)]

    (told,) = objects(world.superuser(), model)

    assert kept
    assert not set(kept) & set(told)


def test_a_file_for_people_has_names_before_codes_times_of_the_site_and_whole_texts() -> None:
    store = world.store()
    store.name = "人民广场店"
    store.save()
    at = dt.datetime(2026, 5, 1, 4, 30, 15, tzinfo=dt.UTC)
    event = world.event("202605010000012345", payload={"dish": "蛋挞", "note": "=1+1"})
    NeuralEvent.objects.update(occurred_at=at)
    client = world.superuser()

    (row,) = table(client, "neuralevent")

    assert list(row)[:4] == ["Id", "Store: name", "Store", "Source"]
    assert (row["Store: name"], row["Store"]) == ("人民广场店", "S1")
    assert row["Event id"] == "202605010000012345\t"
    assert row[f"Occurred at ({timezone.get_current_timezone_name()})"] == "2026-05-01 12:30:15"
    assert row["Unhandled"] == "no"
    assert json.loads(row["Payload"]) == {"dish": "蛋挞", "note": "=1+1"}
    assert event.pk == int(row["Id"])


def test_a_file_for_people_is_in_their_language() -> None:
    world.run("dead", error="=cmd()", failures=3)
    client = world.superuser()
    client.cookies["django_language"] = "zh-hans"

    text = file_of(client, "taskrun", "csv").decode()

    heading, row = text.removesuffix("\r\n").split("\r\n")
    assert text.startswith("\ufeff")
    assert "状态" in heading
    assert "'=cmd()" in row.split(",")


def test_a_file_for_programs_has_values_by_the_names_of_fields() -> None:
    world.event("e1", payload={"lines": [{"price": 1.5}], "名": None})
    run = world.run("dead", error="−\u2028x")

    (event,), (told,) = (
        objects(world.superuser(), "neuralevent"),
        objects(world.superuser(), "taskrun"),
    )

    assert event["payload"] == {"lines": [{"price": 1.5}], "名": None}
    assert event["store"] == "S1"
    assert event["occurred_at"].endswith("Z")
    assert (told["id"], told["state"], told["error"]) == (run.pk, "dead", "−\u2028x")


def test_json_too_deep_to_be_decoded_is_told_as_text() -> None:
    event = world.event()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {NeuralEvent._meta.db_table} SET payload = %s", ["[" * 600 + "]" * 600]
        )

    (told,) = objects(world.superuser(), "neuralevent")

    assert told["payload"] == "[" * 600 + "]" * 600
    assert told["id"] == event.pk


# Links


def test_each_list_links_to_its_files_with_its_filters_for_those_who_may_export() -> None:
    world.events(1)
    address = world.list_of("neuralevent")

    page = exporter().get(f"{address}?store=S1&before=99").content.decode()
    without = world.client_of(name="viewer").get(address).content.decode()

    assert f'<a href="{address}export.csv?store=S1">CSV</a>' in page
    assert f'<a href="{address}export.ndjson?store=S1">NDJSON</a>' in page
    assert "export." not in without


@pytest.mark.parametrize("model", LISTS)
def test_no_list_forgets_its_links(model: str) -> None:
    # The plain list of workers is behind their page.
    query = "?q=" if model == "workerprocess" else ""

    page = world.superuser().get(list_of(model) + query).content.decode()

    assert page.count("export.csv") == 1, (
        "include admin/neural/export_links.html in the page of the list"
    )
