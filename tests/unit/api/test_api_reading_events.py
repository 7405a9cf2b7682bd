"""GET /events and /events/{id}, and POST /events/{id}/retry."""

import datetime as dt
import logging
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.api.reading import event_pages
from neural.kit.keyset import bounded
from neural.models import (
    AttemptOutcome,
    AuditEntry,
    NeuralEvent,
    TaskAttempt,
    TaskRun,
    WorkerProcess,
)
from tests.unit.api.api_reading_world import Caller, event, fields, problem, run, store

pytestmark = pytest.mark.django_db

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
HANDLERS = ["neural.record_order"]


def ids(body):
    return [item["id"] for item in body["items"]]


def every_page(caller, path="events", **query):
    """The pages of a list up to the last one."""
    pages = [caller.read(path, **query)]
    while pages[-1]["next"] is not None:
        pages.append(caller.read(path, cursor=pages[-1]["next"], **query))
        assert len(pages) < 100
    return pages


def recorded(row, at):
    NeuralEvent.objects.filter(pk=row.pk).update(recorded_at=at)
    return row


# One event


def test_an_event_is_shown_with_its_identity_its_payload_and_its_times_in_utc():
    row = event("1001", payload={"order_id": "7", "lines": [], "note": "少辣"})

    body = Caller("S1").read(f"events/{row.pk}")

    assert (body["id"], body["store"], body["source"]) == (row.pk, "S1", "till")
    assert (body["event_id"], body["type"]) == ("1001", "order.created")
    assert body["payload"] == {"order_id": "7", "lines": [], "note": "少辣"}
    assert INSTANT.fullmatch(body["occurred_at"])
    assert dt.datetime.fromisoformat(body["recorded_at"]) == row.recorded_at
    assert (body["unhandled"], body["pruned_at"], body["runs"]) == (False, None, [])


def test_an_event_is_shown_with_each_run_its_attempts_and_its_outcome():
    row = event()
    worker = WorkerProcess.objects.create(name="high@web", host="web", process_id=1)
    now = timezone.now()
    ended = run("succeeded", task_id="t1", event=row, handler="b", result={"n": 3}, worker=worker)
    TaskAttempt.objects.create(
        run=ended,
        outcome=AttemptOutcome.FAILED,
        started_at=now,
        worker=worker,
        error="refused",
        traceback="a secret of the code",
    )
    run("dead", task_id="t2", event=row, handler="a", error="gone", priority=10, queue="high")

    response = Caller("S1").get(f"events/{row.pk}")
    dead, succeeded = response.json()["runs"]

    assert (dead["task_id"], dead["handler"], dead["state"]) == ("t2", "a", "dead")
    assert (dead["queue"], dead["priority"], dead["error"]) == ("high", 10, "gone")
    assert INSTANT.fullmatch(dead["due_at"])
    assert (succeeded["result"], succeeded["event"]) == ({"n": 3}, row.pk)
    assert [
        (each["number"], each["outcome"], each["worker"], each["error"])
        for each in succeeded["attempts"]
    ] == [(1, "failed", "high@web", "refused"), (2, "succeeded", "high@web", "")]
    assert b"secret" not in response.content


def test_an_event_of_another_store_looks_exactly_like_none():
    row = event(at="S2")
    caller = Caller("S1")

    theirs = problem(caller.get(f"events/{row.pk}"), 404)
    none = problem(caller.get("events/999999999"), 404)

    assert theirs == none


def test_a_pruned_event_has_no_payload():
    row = event(payload=None, pruned_at=timezone.now())

    body = Caller("S1").read(f"events/{row.pk}")

    assert body["payload"] is None
    assert INSTANT.fullmatch(body["pruned_at"])


@pytest.mark.parametrize("key", ["0", "-1", "x", "1" + "0" * 30, "%00", "1.5", "1e3", "٣x"])
def test_an_id_that_is_no_rows_number_is_a_problem_that_names_it(key):
    assert fields(Caller("S1").get(f"events/{key}")) == ["path.id"]


# Lists


def test_the_list_has_the_keys_stores_alone_newest_first_without_payloads():
    rows = [event("a"), event("b", at="S2"), event("c", at="S3"), event("d")]

    body = Caller("S1", "S2").read("events")

    assert ids(body) == [rows[3].pk, rows[1].pk, rows[0].pk]
    assert body["next"] is None
    assert "payload" not in body["items"][0]


def test_a_key_of_every_store_sees_all():
    rows = [event("a"), event("b", at="S2")]

    assert ids(Caller().read("events")) == [rows[1].pk, rows[0].pk]


def test_a_key_of_no_store_sees_nothing():
    event("a")
    caller = Caller("S1")
    caller.key.stores.clear()

    assert caller.read("events") == {"items": [], "next": None}


def test_pages_follow_each_other_and_the_header_link_names_the_next(settings):
    rows = [event(f"e{number}") for number in range(5)]
    caller = Caller("S1")

    first = caller.get("events", limit=2, type="order.created")
    pages = every_page(caller, limit=2, type="order.created")

    link = re.fullmatch(r"<(/api/v1/events\?[^>]+)>; rel=\"next\"", first["Link"])
    assert link is not None
    assert ids(caller.client.get(link[1]).json()) == [rows[2].pk, rows[1].pk]
    assert [ids(page) for page in pages] == [
        [rows[4].pk, rows[3].pk],
        [rows[2].pk, rows[1].pk],
        [rows[0].pk],
    ]
    assert "Link" not in caller.get("events")


@pytest.mark.parametrize("stores", [("S1",), ("S1", "S2"), ()])
def test_rows_that_arrive_between_pages_neither_repeat_nor_hide_any(stores):
    before = [event(f"e{number}", at=f"S{number % 2 + 1}") for number in range(7)]
    caller = Caller(*stores)
    wanted = [row.pk for row in reversed(before) if not stores or row.store_id in stores]

    found, cursor = [], None
    while True:
        body = caller.read("events", limit=2, **({"cursor": cursor} if cursor else {}))
        found += ids(body)
        event(f"later{len(found)}", at="S1")
        event(f"later{len(found)}", at="S2")
        cursor = body["next"]
        if cursor is None:
            break

    assert found == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"store": "S2"}, ["c"]),
        ({"store": ["S1", "S2"]}, ["d", "c", "b", "a"]),
        ({"type": "order.cancelled"}, ["b"]),
        ({"source": "app"}, ["d"]),
        ({"event_id": "a"}, ["a"]),
        ({"event_id": "a", "store": "S2"}, []),
        ({"state": "dead"}, ["b"]),
        ({"state": "dead", "type": "order.created"}, []),
        ({"store": "S9"}, []),
        ({"store": "unknown"}, []),
    ],
)
def test_a_filter_narrows_the_list(query, wanted):
    event("a")
    row = event("b", type="order.cancelled")
    run("dead", event=row, handler="h")
    run("succeeded", task_id="t2", event=row, handler="i")
    event("c", at="S2")
    event("d", source="app")
    event("e", at="S9")

    body = Caller("S1", "S2").read("events", **query)

    assert [item["event_id"] for item in body["items"]] == wanted


def test_since_and_until_narrow_by_the_time_of_recording():
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [recorded(event(f"e{hour}"), start + dt.timedelta(hours=hour)) for hour in range(48)]
    caller = Caller("S1")

    pages = every_page(
        caller, since="2026-01-01T10:00:00Z", until="2026-01-01T22:00:00+08:00", limit=2
    )

    assert [key for page in pages for key in ids(page)] == [
        rows[13].pk,
        rows[12].pk,
        rows[11].pk,
        rows[10].pk,
    ]
    assert ids(caller.read("events", until="2026-01-01T00:30:00Z")) == [rows[0].pk]
    assert ids(caller.read("events", since="2026-01-02T22:30:00Z")) == [rows[47].pk]
    assert ids(caller.read("events", since="2027-01-01T00:00:00Z")) == []
    assert ids(caller.read("events", until="2025-01-01T00:00:00Z")) == []


def test_events_recorded_in_another_order_than_numbered_are_found_by_time():
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    seconds = [0, 400, 200, 600, 500, 900]
    rows = [recorded(event(f"e{at}"), start + dt.timedelta(seconds=at)) for at in seconds]

    body = Caller("S1").read("events", since="2026-01-01T00:06:40Z", until="2026-01-01T00:10:00Z")

    assert ids(body) == [rows[4].pk, rows[1].pk]


def test_a_plus_sign_that_was_not_encoded_is_still_a_time_zone():
    recorded(event("a"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    response = Caller("S1").client.get("/api/v1/events?until=2026-01-01T08:00:01+08:00")

    assert [item["event_id"] for item in response.json()["items"]] == ["a"]


def test_a_time_is_found_without_reading_the_newer_rows(monkeypatch):
    """However many rows there are, a page reads no more than a bounded number of them."""
    monkeypatch.setattr(bounded, "MOST_ROWS", 10)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    rows = [recorded(event(f"e{hour}"), start + dt.timedelta(hours=hour)) for hour in range(60)]

    body = Caller("S1").read("events", until="2026-01-01T02:00:00Z", limit=1)

    assert ids(body) == [rows[1].pk]


def test_a_rare_filter_reads_a_bounded_number_of_rows_and_says_where_to_go_on(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_ROWS", 10)
    rare = event("rare", source="app")
    for number in range(40):
        event(f"e{number}")

    pages = every_page(Caller("S1"), source="app", limit=5)

    assert ids(pages[0]) == []
    assert [key for page in pages for key in ids(page)] == [rare.pk]
    assert len(pages) > 2


def test_a_page_costs_the_same_few_statements_whatever_it_shows():
    caller = Caller("S1")
    for number in range(3):
        run(task_id=f"t{number}", event=event(f"e{number}"), handler="h")
    caller.read("events")  # the first request of a key notes its use
    with CaptureQueriesContext(connection) as few:
        caller.read("events")
    for number in range(3, 30):
        run(task_id=f"t{number}", event=event(f"e{number}"), handler="h")
    with CaptureQueriesContext(connection) as many:
        caller.read("events")

    assert len(many) == len(few)
    assert not any(word in each["sql"] for each in many for word in ("COUNT(", "OFFSET"))


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has another planner")
@pytest.mark.parametrize(
    "query", [{}, {"type": "order.created"}, {"state": "dead"}, {"source": "app"}]
)
def test_no_filter_makes_postgresql_read_the_table(query):
    for number in range(30):
        run("dead", task_id=f"t{number}", event=event(f"e{number}"), handler="h")
    caller = Caller("S1", "S2")

    with CaptureQueriesContext(connection) as queries:
        caller.read("events", limit=3, **query)

    with connection.cursor() as cursor:
        for each in queries:
            if "neural_neuralevent" in each["sql"] and each["sql"].startswith("SELECT"):
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {each['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert "Seq Scan on neural_neuralevent" not in plan, plan


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "query.limit"),
        ({"limit": 101}, "query.limit"),
        ({"limit": "1" + "0" * 30}, "query.limit"),
        ({"limit": "many"}, "query.limit"),
        ({"cursor": "x"}, "query.cursor"),
        ({"cursor": "ZXZlbnRzOg"}, "query.cursor"),
        ({"cursor": "c3RvcmVzOlMx"}, "query.cursor"),
        ({"cursor": "é"}, "query.cursor"),
        ({"cursor": "A" * 401}, "query.cursor"),
        ({"cursor": "\x00"}, "query.cursor"),
        ({"store": "\x00"}, "query.store.0"),
        ({"store": "x" * 65}, "query.store.0"),
        ({"type": "a\x00b"}, "query.type"),
        ({"source": "x" * 101}, "query.source"),
        ({"event_id": "\x00"}, "query.event_id"),
        ({"state": "lost"}, "query.state"),
        ({"since": "yesterday"}, "query.since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "query.since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "query.until"),
        ({"until": "1e400"}, "query.until"),
        ({"stores": "S1"}, "query.stores"),
        ({"offset": "5"}, "query.offset"),
    ],
)
def test_a_parameter_that_is_wrong_or_unknown_is_a_problem_that_names_it(query, field):
    event()

    assert fields(Caller("S1").get("events", **query)) == [field]


def test_a_cursor_of_a_row_that_cannot_be_is_refused():
    from neural.api.reading.pages import cursor_at

    for place in ("-1", "1" + "0" * 30, "x", "٣"):
        assert fields(Caller("S1").get("events", cursor=cursor_at("events", place))) == [
            "query.cursor"
        ]


def test_a_page_is_no_larger_than_the_setting(settings):
    settings.NEURAL = {**settings.NEURAL, "api_page_size": 2}
    for number in range(4):
        event(f"e{number}")
    caller = Caller("S1")

    assert len(caller.read("events")["items"]) == 2
    assert fields(caller.get("events", limit=3)) == ["query.limit"]


# Retry


def test_a_retry_makes_dead_and_cancelled_runs_due_and_leaves_all_others(fake_broker):
    row = event()
    for state in ("dead", "cancelled", "discarded", "succeeded", "pending"):
        run(state, task_id=state, event=row, handler=f"h.{state}", failures=3)

    response = Caller("S1").post(f"events/{row.pk}/retry")

    body = response.json()
    assert response.status_code == 200
    assert [(each["task_id"], each["state"]) for each in body["retried"]] == [
        ("dead", "dead"),
        ("cancelled", "cancelled"),
    ]
    assert {each["task_id"] for each in body["unchanged"]} == {"discarded", "succeeded", "pending"}
    states = dict(TaskRun.objects.values_list("task_id", "state"))
    assert (states["dead"], states["cancelled"]) == ("pending", "pending")
    assert (states["discarded"], states["succeeded"]) == ("discarded", "succeeded")
    assert TaskRun.objects.get(task_id="dead").failures == 0


@pytest.mark.django_db(transaction=True)
def test_a_retry_records_and_publishes_runs_of_handlers_that_had_none(fake_broker):
    row = event(unhandled=True)
    caller = Caller("S1")

    body = caller.post(f"events/{row.pk}/retry").json()

    made = TaskRun.objects.get()
    assert [each["handler"] for each in body["recorded"]] == [made.handler]
    assert made.requested_by == f"API key {caller.key.prefix}"
    assert [message.task_id for message in fake_broker.sent] == [made.task_id]
    row.refresh_from_db()
    assert not row.unhandled


@pytest.mark.django_db(transaction=True)
def test_a_retry_is_logged_with_the_key_that_asked(fake_broker, caplog):
    row = event()
    run("dead", event=row, handler="h")
    caller = Caller("S1")

    with caplog.at_level(logging.INFO):
        caller.post(f"events/{row.pk}/retry")

    lines = [record.getMessage() for record in caplog.records]
    by = f'by="API key {caller.key.prefix}"'
    assert any(line.startswith("event=run_retried run=t1") and by in line for line in lines)
    assert any(line.startswith("event=event_retried") and by in line for line in lines)


def test_a_retry_is_recorded_of_the_event_and_of_each_run_that_was_retried(fake_broker):
    row = event()
    retried = run("dead", event=row, handler="h")
    run("succeeded", task_id="t2", event=row, handler="other")
    caller = Caller("S1")

    caller.post(f"events/{row.pk}/retry")

    by = f"API key {caller.key.prefix}"
    told = [(e.actor, e.action, e.target_ids) for e in AuditEntry.objects.order_by("pk")]
    assert told == [
        (by, "event.retry", [str(row.pk)]),
        (by, "run.retry", [str(retried.pk)]),
    ]


def test_a_second_retry_changes_nothing(fake_broker):
    row = event()
    run("dead", event=row, handler="h")
    caller = Caller("S1")
    caller.post(f"events/{row.pk}/retry")

    body = caller.post(f"events/{row.pk}/retry").json()

    assert (body["retried"], body["recorded"]) == ([], [])


def test_a_pruned_event_cannot_be_retried():
    row = event(payload=None, pruned_at=timezone.now())
    run("dead", event=row, handler="h")

    problem(Caller("S1").post(f"events/{row.pk}/retry"), 409)

    assert TaskRun.objects.get().state == "dead"


def test_an_event_whose_type_no_app_registers_any_more_cannot_be_retried():
    row = event(type="app.of.last.year")
    run("dead", event=row, handler="h")

    said = problem(Caller("S1").post(f"events/{row.pk}/retry"), 409)

    assert said["detail"] == "no installed app registers the event type app.of.last.year"
    assert TaskRun.objects.get().state == "dead"


def test_an_event_of_another_store_is_not_retried():
    row = event(at="S2")
    run("dead", at="S2", event=row, handler="h")

    problem(Caller("S1").post(f"events/{row.pk}/retry"), 404)

    assert TaskRun.objects.get().state == "dead"


def test_each_endpoint_needs_its_scope():
    row = event()
    caller = Caller("S1", scopes=["events:write"])

    for response in (
        caller.get("events"),
        caller.get(f"events/{row.pk}"),
        Caller("S1", scopes=["events:read"]).post(f"events/{row.pk}/retry"),
    ):
        assert "does not have the scope" in problem(response, 403)["detail"]


def test_the_kind_of_a_cursor_is_that_of_its_list():
    assert event_pages.LIST == "events"
    store()
