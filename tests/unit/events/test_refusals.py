"""A refused event is seen: one row, whatever the entry point, beside the answer and never
instead."""

import json
import logging

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

import neural
from neural.events import refusals
from neural.events.answers import EventRefused
from neural.events.changes import REFUSED_EVENTS
from neural.ledger.prune import prune_old
from neural.models import NeuralEvent, RefusalState, RefusedEvent, TaskRun
from neural.tasks import process_neural_event
from neural.worker.refusing import MessageRefused
from tests.unit.factories import ago, make_run

pytestmark = pytest.mark.django_db


def event(key="1", **fields):
    given = {"type": "order.created", "store": "S1", "source": "till", "event_id": key}
    return {**given, "payload": {"order_id": key, "lines": 5}, **fields}


def refused():
    """The one row."""
    return RefusedEvent.objects.get()


def test_a_refused_event_has_a_row_with_what_was_sent_and_why(fake_broker):
    answer = neural.submit(
        **event(occurred_at="2026-03-01T12:30", queue="default", priority=3),
        backfill=True,
        requested_by="lee",
    )

    row = refused()
    assert (row.store_code, row.source, row.event_id, row.type) == (
        *("S1", "till", "1"),
        "order.created",
    )
    assert json.loads(row.payload) == {"order_id": "1", "lines": 5}
    assert row.problems == [
        {"field": each.field, "reason": each.reason} for each in answer.problems
    ]
    assert row.problems[0]["field"] == "payload.lines"
    assert row.details == {
        "occurred_at": "2026-03-01T12:30",
        "queue": "default",
        "priority": "3",
        "backfill": True,
    }
    assert (row.entry_point, row.requested_by, row.state, row.times) == ("python", "lee", "open", 1)
    assert not NeuralEvent.objects.exists()
    assert not row.payload_cut


def test_a_conflict_is_a_refusal_and_a_duplicate_is_none(fake_broker):
    sound = event(payload={"order_id": "1", "lines": []})
    for _ in range(2):
        assert not neural.submit(**sound).is_refused
    assert not RefusedEvent.objects.exists()

    neural.submit(**sound | {"payload": {"order_id": "2", "lines": []}})

    assert json.loads(refused().payload) == {"order_id": "2", "lines": []}
    assert refused().problems[0]["reason"].startswith("conflict")


def test_the_same_refused_again_is_one_row_that_counts(fake_broker):
    first = list(neural.submit_many([event("1"), event("2"), event("1")]))
    before = RefusedEvent.objects.get(event_id="1")
    RefusedEvent.objects.update(last_refused_at=ago(days=3))
    neural.submit(**event("1"), requested_by="again")

    assert all(answer.is_refused for answer in first)
    rows = {row.event_id: row for row in RefusedEvent.objects.all()}
    assert {key: row.times for key, row in rows.items()} == {"1": 3, "2": 1}
    assert rows["1"].refused_at == before.refused_at
    assert rows["1"].last_refused_at > ago(days=1) > rows["2"].last_refused_at
    assert rows["1"].requested_by == "again"


@pytest.mark.parametrize(
    "other", [{"payload": {}}, {"store": "S2"}, {"source": "web"}, {"type": "order.updated"}]
)
def test_another_content_or_identity_is_another_row(fake_broker, other):
    neural.submit(**event())
    neural.submit(**event() | other)

    assert RefusedEvent.objects.count() == 2


def test_one_that_was_dealt_with_stays_so_when_it_comes_again(fake_broker):
    neural.submit(**event())
    assert refused().dismiss(by="lee")
    neural.submit(**event())

    assert (refused().state, refused().times) == (RefusalState.DISMISSED, 2)
    assert not refused().dismiss(by="lee")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (event("a\x00b"), {"event_id": "a\\u0000b"}),
        (event("a\ud83d"), {"event_id": "a\\ud83d"}),
        (event(store="no store"), {"store_code": "no store"}),
        (event(store=5), {"store_code": "5"}),
        (event(store=None), {"store_code": ""}),
        (event(source={"a": [1]}), {"source": '{"a": [1]}'}),
        (event(payload=None), {"payload": "null"}),
        (event(payload={"a": "\x00\ud83d"}), {"payload": '{"a": "\\u0000\\ud83d"}'}),
        (event(payload={"a": b"x", "b": 1}), {"payload": '{"a": "<bytes>", "b": 1}'}),
        (event("x" * 300), {"event_id": "x" * 200}),
        (["no", "object"], {"payload": '["no", "object"]', "event_id": ""}),
    ],
)
def test_whatever_was_sent_is_kept_as_text(fake_broker, sent, kept):
    (answer,) = neural.submit_many([sent])

    assert answer.is_refused
    row = refused()
    assert {name: getattr(row, name) for name in kept} == kept


@pytest.mark.parametrize("text", ["面" * 100_000, "\ud83d" * 30_000])
def test_what_is_large_is_cut_and_marked(fake_broker, text):
    """An escape is longer than what it stands for."""
    neural.submit(**event(payload={"order_id": "1", "text": text}))

    row = refused()
    assert (len(row.payload), row.payload_cut) == (refusals.PAYLOAD_CHARACTERS, True)


def test_two_that_differ_beyond_the_cut_are_two(fake_broker):
    for end in "ab":
        neural.submit(**event(payload={"text": "x" * refusals.PAYLOAD_CHARACTERS + end}))

    assert RefusedEvent.objects.count() == 2


def test_many_refused_cost_one_statement_a_chunk(fake_broker, django_assert_num_queries):
    with django_assert_num_queries(3):  # the savepoint, the rows, its release
        list(neural.submit_many(event(str(number)) for number in range(400)))

    assert RefusedEvent.objects.count() == 400


def test_accepted_events_cost_no_statement_more(
    fake_broker, settings, django_assert_max_num_queries
):
    settings.NEURAL = {"search": False}
    most = 1 if connection.vendor == "postgresql" else 5

    with django_assert_max_num_queries(most):
        list(neural.submit_many([event(payload={"order_id": "1", "lines": []})]))


# Every entry point


def test_a_celery_call(fake_broker):
    with pytest.raises(EventRefused):
        process_neural_event.apply_async(
            kwargs={
                "event_id": "1",
                "event_type": "order.created",
                "event_source": "till",
                "store_id": "S1",
                "data": {"order_id": "1"},
            },
            requested_by="the web",
        )

    assert (refused().entry_point, refused().requested_by, refused().event_id) == (
        *("celery", "the web"),
        "1",
    )


MESSAGE = {"event_id": "1", "event_type": "order.created", "event_source": "till", "store_id": "S1"}


@pytest.mark.parametrize(
    ("args", "kwargs", "field"),
    [
        ([], {**MESSAGE, "data": {"order_id": "1"}}, "payload.lines"),
        (["1", "order.created", "till", "S1", {}], {}, "payload.order_id"),
        ([], MESSAGE, "event"),
        ([], {**MESSAGE, "data": {}, "hurry": True}, "event"),
        (["1", "order.created", "till", "S1", {}, 5, 6], {}, "event"),
    ],
)
def test_a_plain_clients_message_has_its_dead_run_and_its_row(fake_broker, args, kwargs, field):
    run = make_run(task=process_neural_event.name, args=args, kwargs=kwargs)

    neural.run_due()

    run.refresh_from_db()
    assert (run.state, run.failures) == ("dead", 1)
    row = refused()
    assert (row.entry_point, row.store_code, row.source, row.event_id) == (
        "message",
        "S1",
        "till",
        "1",
    )
    assert row.problems[0]["field"] == field
    assert row.problems[0]["reason"] in run.error


def test_a_plain_clients_message_that_cannot_be_kept_as_a_run(fake_broker):
    process_neural_event.push_request(id="t1", delivery_info={"routing_key": "default"})
    try:
        with pytest.raises(MessageRefused, match="NotStorable"):
            process_neural_event.accept_foreign([], {**MESSAGE, "data": {"a": "\x00"}})
    finally:
        process_neural_event.pop_request()

    assert (refused().entry_point, refused().payload) == ("message", '{"a": "\\u0000"}')


def test_a_command_and_lines_that_are_no_events(fake_broker, tmp_path, capsys):
    lines = [
        json.dumps(event("1")),
        "{half",
        "\xff",
        "[1]",
        "[" * 5000,
        '{"n": ' + "9" * 5000 + "}",
    ]
    file = tmp_path / "events.ndjson"
    file.write_bytes("\n".join(lines).encode("latin-1"))

    with pytest.raises(SystemExit):
        call_command("submit_event", str(file))

    rows = list(RefusedEvent.objects.all())
    assert {row.entry_point for row in rows} == {"command"}
    assert {row.payload for row in rows} >= {"{half", "\\xff", "[1]", "[" * 5000}
    assert len(rows) == 6
    assert "line 5: event: is nested so deep that it cannot be read" in capsys.readouterr().err


def test_a_payload_of_the_command_that_is_too_deep_is_told_in_a_sentence():
    with pytest.raises(Exception, match=r"^--payload is nested so deep that it cannot be read; at"):
        call_command(
            *("submit_event", "--type=order.created", "--store=S1", "--source=till"),
            *("--event-id=1", "--payload=" + "[" * 100_000),
        )


# Beside the answer


def test_the_callers_rollback_takes_the_row_along(fake_broker):
    with transaction.atomic():
        assert neural.submit(**event()).is_refused
        transaction.set_rollback(True)
        # A transaction that is lost already is left as it is.
        assert neural.submit(**event("2")).is_refused

    assert not RefusedEvent.objects.exists()


def test_a_row_that_cannot_be_written_is_a_line_in_the_log_and_the_answer_stands(
    fake_broker, monkeypatch, caplog
):
    def fail(*_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    monkeypatch.setattr(refusals, "_write", fail)
    sound = event("2", payload={"order_id": "2", "lines": []})

    with transaction.atomic(), caplog.at_level(logging.ERROR, "neural.events.refusals"):
        answers = [neural.submit(**event("1")), neural.submit(**sound)]

    assert [answer.verdict for answer in answers] == ["refused", "new"]
    assert NeuralEvent.objects.get().event_id == "2"
    assert "event=refusal_not_kept refusals=1 entry_point=python" in caplog.text


def test_it_may_be_switched_off(fake_broker, settings):
    settings.NEURAL = {"refusals_kept_days": 0}

    assert neural.submit(**event()).is_refused
    assert not RefusedEvent.objects.exists()


# Pruning


def test_rows_are_pruned_when_they_have_not_come_for_so_long(fake_broker):
    list(neural.submit_many(event(str(number)) for number in range(4)))
    RefusedEvent.objects.update(refused_at=ago(days=40))
    RefusedEvent.objects.filter(event_id__in="12").update(last_refused_at=ago(days=31))

    assert prune_old(REFUSED_EVENTS, now=timezone.now(), dry_run=True) == 2
    assert prune_old(REFUSED_EVENTS, now=timezone.now()) == 2
    assert set(RefusedEvent.objects.values_list("event_id", flat=True)) == {"0", "3"}


def test_the_command_prunes_them(fake_broker, settings, capsys):
    neural.submit(**event())
    settings.NEURAL = {"refusals_kept_days": 0}

    call_command("prune")

    assert "1 refused events older than 0 days deleted." in capsys.readouterr().out
    assert not RefusedEvent.objects.exists()
    assert not TaskRun.objects.exists()
