"""Which rows a file of a list has: those that the list shows with the same address, all of them."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.admin.exporting import reading
from neural.models import AuditEntry, TaskRun
from tests.unit.admin import admin_world as world
from tests.unit.admin.exports import entries, file_of, objects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SLICE", 3)
    monkeypatch.setattr(reading, "PIECE", 2)


def test_all_rows_come_newest_first_and_none_twice() -> None:
    world.events(8)

    told = [row["event_id"] for row in objects(world.superuser(), "neuralevent")]

    assert told == [f"e{number}" for number in reversed(range(8))]


def test_rows_that_arrive_meanwhile_change_nothing() -> None:
    world.events(8)
    answer = world.superuser().get(f"{world.list_of('neuralevent')}export.ndjson")
    parts = [next(answer.streaming_content), next(answer.streaming_content)]

    world.event("later")
    parts += list(answer.streaming_content)

    told = [json.loads(line)["event_id"] for line in b"".join(parts).splitlines()]
    assert told == [f"e{number}" for number in reversed(range(8))]


def test_the_lists_filters_and_search_hold_for_its_file() -> None:
    world.events(3)
    world.event("other", kind="payment.completed", at="S2")
    client = world.superuser()

    def ids(query: str) -> list[str]:
        return [row["event_id"] for row in objects(client, "neuralevent", query)]

    assert ids("?type=payment.completed") == ids("?store=S2") == ids("?q=other") == ["other"]
    assert ids("?q=none") == []
    assert ids("?before=1&rows=2&o=1") == ["other", "e2"]


def test_runs_are_those_that_a_query_of_runs_means() -> None:
    world.run("dead", task_id="a")
    world.run(task_id="b", queue="high_priority")
    old = world.run("dead", task_id="old")
    TaskRun.objects.filter(pk=old.pk).update(created_at=timezone.now() - dt.timedelta(days=8))
    client = world.superuser()

    def ids(query: str) -> list[str]:
        return [row["task_id"] for row in objects(client, "taskrun", query)]

    assert ids("") == ["b", "a"]  # seven days unless asked
    assert ids("?state=dead") == ["a"]
    assert ids("?state=dead&period=all") == ["old", "a"]
    assert ids("?queue=high_priority&rows=5") == ["b"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("taskrun/export.csv?nonsense=1", "There is no filter “nonsense”."),
        ("taskrun/export.csv?since=yesterday", "“yesterday” is not a time like"),
        ("taskrun/export.csv?text=a&error=b", "“a” is read as error, and error=b is chosen"),
        ("neuralevent/export.csv?nonsense=1", "no such filter, or not with this value: nonsense."),
        ("neuralevent/export.csv?rows=many", "“many” is no number of rows"),
        ("neuralevent/export.ndjson?rows=0", "“0” is no number of rows"),
        ("neuralevent/export.ndjson?q=%00", "the character NUL"),
        ("store/export.csv?confirmed__exact=x", "confirmed__exact."),
    ],
)
def test_what_an_address_cannot_mean_is_told_in_a_sentence(address: str, said: str) -> None:
    answer = world.superuser().get(f"/admin/neural/{address}")

    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert not entries()


def test_a_file_neither_counts_nor_skips_and_loads_slices_by_key() -> None:
    world.events(8)
    client = world.superuser()

    with CaptureQueriesContext(connection) as asked:
        file_of(client, "neuralevent", "csv")

    own = [each["sql"] for each in asked if 'FROM "neural_neuralevent"' in each["sql"]]
    assert len(own) >= 6
    assert all("OFFSET" not in sql and "COUNT(" not in sql for sql in own)
    assert all("LIMIT" in sql or " IN (" in sql for sql in own)


def test_the_audit_log_has_an_entry_for_each_file() -> None:
    world.events(5)
    client = world.superuser()

    file_of(client, "neuralevent", "csv", "?store=S1&rows=4")

    entry = AuditEntry.objects.standing().get(action="export")
    assert (entry.outcome, entry.count, entry.actor) == ("done", 4, "root")
    assert entry.query == {"store": "S1"}
    assert entry.details == {"model": "neural.neuralevent", "format": "csv"}
