"""Who may have a list as a file, and what they see in it."""

import json
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from neural.models import NeuralEvent
from neural.monitoring.models import ErrorGroup, ErrorGroupHit
from neural.restaurant.models import Order
from tests.unit.admin import admin_rows
from tests.unit.admin import admin_world as world
from tests.unit.admin.exports import entries, exporter, file_of, hides, named, objects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.mark.parametrize("written", ["csv", "ndjson"])
def test_a_file_needs_the_permission_to_export_and_the_one_to_view(written: str) -> None:
    world.event()
    address = f"{world.list_of('neuralevent')}export.{written}"
    viewer = world.client_of(name="viewer")
    exporter_of_others = world.logged_in(_user_who_may("export_rows", "view_store"))

    assert viewer.get(address).status_code == 403
    assert exporter_of_others.get(address).status_code == 403
    assert world.Client().get(address).status_code == 302
    assert exporter().get(address).status_code == 200


def _user_who_may(*names: str) -> Any:
    user = world.get_user_model().objects.create_user("sam", is_staff=True)
    user.user_permissions.set(world.Permission.objects.filter(codename__in=names))
    return user


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_a_file_is_only_read(method: str) -> None:
    address = f"{world.list_of('neuralevent')}export.csv"

    assert getattr(world.superuser(), method)(address).status_code == 405


def test_a_question_for_the_head_alone_reads_no_row_and_leaves_no_entry() -> None:
    world.event()

    answer = world.superuser().head(f"{world.list_of('neuralevent')}export.csv")

    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert not entries()


def test_a_file_has_the_rows_of_the_users_own_stores_alone() -> None:
    mine, theirs = world.event("mine"), world.event("theirs", at="S2")
    world.run(event=mine, handler="h", task_id="a")
    world.run(event=theirs, handler="h", task_id="b", store=theirs.store)
    for code in ("S1", "S2"):
        Order.objects.create(store=world.store(code), key=code, number=code)
    client = exporter("view_order", stores=[world.store("S1")])

    for model in ("neuralevent", "taskrun", "order"):
        for query in ("", "?store=S2", "?q=theirs" if model == "neuralevent" else "?store=S1"):
            assert {row["store"] for row in objects(client, model, query)} <= {"S1"}, model
        assert objects(client, model), model


def test_personal_data_are_hidden_from_those_who_may_not_see_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hides(monkeypatch, key="guest", pattern="13812345678")
    world.event(payload={"guest": "王伟", "note": ["call 13812345678"], "dish": "egg tart"})
    world.run("dead", error="no answer from 13812345678", args=[{"guest": "王伟"}])
    client = world.client_of("export_rows")

    told = b"".join(
        file_of(client, model, written)
        for model in ("neuralevent", "taskrun")
        for written in ("csv", "ndjson")
    ).decode()

    assert "王伟" not in told
    assert "13812345678" not in told
    assert told.count("call ***") == told.count("no answer from ***") == 2
    assert "egg tart" in told
    assert "王伟" in file_of(exporter(name="boss"), "neuralevent", "csv").decode()


def test_names_in_json_that_is_kept_as_text_are_hidden_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hides(monkeypatch, key="guest", pattern="13812345678")
    row = admin_rows.row_of(named("refusedevent"))
    type(row).objects.update(payload='{"guest": "王伟", "phone": "13812345678"}')
    client = world.client_of("export_rows", "view_refusedevent")

    (told,) = objects(client, "refusedevent")

    assert json.loads(told["payload"]) == {"guest": "***", "phone": "***"}


def test_json_too_deep_to_hide_anything_in_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hides(monkeypatch, key="guest", pattern="13812345678")
    world.event()
    deep = "[" * 600 + '"王伟"' + "]" * 600
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {NeuralEvent._meta.db_table} SET payload = %s", [deep])

    (told,) = objects(world.client_of("export_rows"), "neuralevent")

    assert told["payload"] == "(1204 characters, nested too deep to hide personal data in them)"


def test_figures_of_the_whole_chain_are_in_no_file_of_a_user_of_some_stores() -> None:
    group = admin_rows.row_of(ErrorGroup)
    at = timezone.now()
    ErrorGroupHit.objects.create(
        group=group, work="w", store_code="S1", attempts=1, first_at=at, last_at=at
    )
    of_a_store = exporter("view_errorgroup", stores=[world.store("S1")])
    of_the_chain = exporter("view_errorgroup", name="boss")

    (mine,), (whole,) = (
        objects(each, "errorgroup", "?state=all") for each in (of_a_store, of_the_chain)
    )

    assert {"attempts", "first_at", "decided_by"} == set(whole) - set(mine) - {
        *("muted_until", "resolved_at", "reopened_at"),
    }
    assert mine["id"] == whole["id"] == group.pk
