"""Submitting events: what is accepted, what is refused and why, what is published when."""

import datetime as dt
import gc
import itertools
import logging
import re
import tracemalloc
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection, transaction

import neural
from neural.events import recording
from neural.events.registry import HANDLERS
from neural.ledger.work import works_on_history
from neural.models import NeuralEvent, Store, TaskRun

pytestmark = pytest.mark.django_db


def event(event_id="1", **changes):
    fields = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": event_id}
    return {**fields, "payload": {"key": f"k{event_id}"}, **changes}


def refused(**changes):
    answer = neural.submit(**event(**changes))
    assert answer.is_refused
    assert not NeuralEvent.objects.exists()
    assert not Store.objects.exists()
    (problem,) = answer.problems
    return problem


def test_a_new_event_is_recorded_with_one_run_for_each_handler(fake_broker):
    answer = neural.submit(**event(type="probe.pair"))

    assert answer.is_new
    runs = TaskRun.objects.filter(event=answer.event)
    assert set(runs.values_list("handler", "state")) == {
        ("probe.left", "pending"),
        ("probe.right", "pending"),
    }
    assert {run.store_id for run in runs} == {"S1"}
    assert NeuralEvent.objects.get().payload == {"key": "k1"}


@pytest.fixture
def queue_of_its_own(monkeypatch):
    """A handler of the pair whose runs go to high_priority, while the other's go with the type."""
    left = HANDLERS.get("probe.left")
    monkeypatch.setitem(HANDLERS._things, "probe.left", replace(left, queue="high_priority"))
    HANDLERS._changed()
    yield
    monkeypatch.undo()
    HANDLERS._changed()


@pytest.mark.parametrize(
    ("options", "queues"),
    [
        ({}, {"probe.left": "high_priority", "probe.right": "default"}),
        ({"queue": "low_priority"}, dict.fromkeys(["probe.left", "probe.right"], "low_priority")),
        ({"backfill": True}, dict.fromkeys(["probe.left", "probe.right"], "low_priority")),
    ],
)
def test_a_handlers_own_queue_holds_unless_the_event_is_sent_elsewhere(
    fake_broker, queue_of_its_own, options, queues
):
    answer = neural.submit(**event(type="probe.pair"), **options)

    runs = TaskRun.objects.filter(event=answer.event)
    assert dict(runs.values_list("handler", "queue")) == queues


def test_a_replayed_event_has_its_handlers_own_queue(fake_broker, queue_of_its_own):
    answer = neural.submit(**event(type="probe.pair"))
    TaskRun.objects.all().delete()

    found = {run.handler: run.queue for run in recording.replay(answer.event)}

    assert found == {"probe.left": "high_priority", "probe.right": "default"}


def test_the_same_event_again_is_a_duplicate_and_changes_nothing(fake_broker):
    first = neural.submit(**event())
    again = neural.submit(**event())

    assert again.is_duplicate
    assert again.event.pk == first.event.pk
    assert again.or_raise().pk == first.event.pk
    assert TaskRun.objects.count() == 1


def test_key_order_is_no_difference_and_a_default_filled_in_is_none(fake_broker):
    neural.submit(**event(payload={"key": "k", "seconds": 0, "extra": {"a": 1, "b": 2}}))

    again = neural.submit(**event(payload={"extra": {"b": 2, "a": 1}, "seconds": 0, "key": "k"}))
    other = neural.submit(**event(payload={"key": "k", "extra": {"a": 1, "b": 2}}))

    assert again.is_duplicate
    assert other.is_refused  # the caller's words are compared, not what defaults make of them


def test_the_same_identity_with_other_content_is_a_conflict(fake_broker):
    first = neural.submit(**event())

    conflict = neural.submit(**event(payload={"key": "other"}))

    assert conflict.is_refused
    assert conflict.event.pk == first.event.pk
    assert conflict.problems[0].field == "event_id"
    assert "conflict" in conflict.problems[0].reason
    with pytest.raises(neural.events.answers.EventRefused, match="conflict"):
        conflict.or_raise()


@pytest.mark.parametrize("other", [{"store": "S2"}, {"source": "kiosk"}, {"event_id": "2"}])
def test_store_source_and_event_id_together_are_the_identity(fake_broker, other):
    neural.submit(**event())

    assert neural.submit(**event(**{"payload": {"key": "x"}, **other})).is_new


def test_a_field_that_the_schema_does_not_know_is_kept(fake_broker):
    answer = neural.submit(**event(payload={"key": "k", "promotion": "spring"}))

    assert NeuralEvent.objects.get().payload["promotion"] == "spring"
    assert answer.event.payload["promotion"] == "spring"


TEXTS = ["", "牛肉面", "😀", "\"'\\/%s%%{}", "a\nb\tc\x7f\u2028", "\\u0000", "<b>&amp;</b>"]
NUMBERS = [0, -0.0, 10**30, 0.1, 1e-300, 123456789.123456789]


def test_whatever_json_can_say_comes_back_as_it_was_said(fake_broker):
    said = {"key": "k", "texts": TEXTS, "numbers": NUMBERS, **dict.fromkeys(TEXTS)}
    said["nested"] = [[], {}, [True, False, {"a": [None]}]]

    answer = neural.submit(**event(payload=said, source="收银 'A'", event_id='"%s\\n'))

    recorded = NeuralEvent.objects.get()
    assert answer.event.payload == recorded.payload == said
    assert (recorded.source, recorded.event_id) == ("收银 'A'", '"%s\\n')


@pytest.mark.parametrize("kind", ["probe.counted", "probe.unhandled"])
def test_the_event_of_an_answer_is_the_recorded_one_in_every_column(fake_broker, kind):
    new = neural.submit(**event(type=kind))
    again = neural.submit(**event(type=kind))

    recorded = NeuralEvent.objects.values().get()
    for answer in (new, again):
        fields = {name: getattr(answer.event, name) for name in recorded}
        assert fields == recorded
        assert not answer.event._state.adding


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite plans in no time")
@pytest.mark.parametrize(("threshold", "prepared"), [(None, 0), (0, 1)])
def test_the_statement_is_planned_once_where_the_database_options_allow_it(
    fake_broker, monkeypatch, threshold, prepared
):
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    monkeypatch.setattr(connection.connection, "prepare_threshold", threshold)
    for number in range(3):
        assert neural.submit(**event(str(number))).is_new

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements"
            " WHERE statement LIKE '%INSERT INTO neural_neuralevent%'"
        )
        assert cursor.fetchone()[0] == prepared
    assert TaskRun.objects.count() == 3


def test_money_is_kept_to_the_last_digit(fake_broker):
    neural.submit(**event(payload={"key": "k", "price": Decimal("12.30")}))

    assert NeuralEvent.objects.get().payload["price"] == "12.30"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"type": "no.such"}, "type", "not registered"),
        ({"type": ""}, "type", "required"),
        ({"store": None}, "store", "required"),
        ({"store": "two words"}, "store", "store code"),
        ({"store": "S1\n"}, "store", "store code"),
        ({"store": "a/b"}, "store", "store code"),
        ({"source": "x" * 101}, "source", "at most 100"),
        ({"event_id": "x" * 201}, "event_id", "at most 200"),
        ({"event_id": "a\x00b"}, "event_id", "U\\+0000"),
        ({"event_id": "a\ud800"}, "event_id", "surrogate"),
        ({"payload": "text"}, "payload", "object"),
        ({"payload": None}, "payload", "object"),
        ({"payload": {}}, "payload.key", "required"),
        ({"payload": {"key": "k", "seconds": "soon"}}, "payload.seconds", "number"),
        ({"payload": {"key": "k", "x": float("nan")}}, "payload", "JSON"),
        ({"payload": {"key": "k", "x": float("inf")}}, "payload", "JSON"),
        ({"payload": {"key": "k", "x": {1, 2}}}, "payload", "JSON"),
        ({"payload": {"key": "a\x00b"}}, "payload", "U\\+0000"),
        ({"payload": {"key": "\udcff"}}, "payload", "UTF-8"),
        ({"payload": {"key": "x" * 300_000}}, "payload", "at most 262,144"),
        ({"priority": 0}, "priority", "from 1 to 10"),
        ({"priority": 11}, "priority", "from 1 to 10"),
        ({"priority": True}, "priority", "from 1 to 10"),
        ({"priority": 5.0}, "priority", "from 1 to 10"),
        ({"queue": "no_such"}, "queue", "not the name of a queue"),
        ({"occurred_at": "yesterday"}, "occurred_at", "ISO 8601"),
        ({"occurred_at": 12}, "occurred_at", "ISO 8601"),
    ],
)
def test_what_is_refused_leaves_nothing_and_names_the_field_and_the_reason(
    fake_broker, changes, field, reason
):
    problem = refused(**changes)

    assert problem.field == field
    assert re.search(reason, problem.reason), problem.reason
    assert fake_broker.sent == []


def test_u0000_after_a_backslash_is_only_text(fake_broker):
    assert neural.submit(**event(payload={"key": "a\\u0000"})).is_new


def test_more_than_24_hours_ahead_is_refused_and_less_is_not(fake_broker):
    now = dt.datetime.now(dt.UTC)

    late = refused(occurred_at=now + dt.timedelta(hours=24, minutes=5))
    assert late.field == "occurred_at"
    assert "24 hours" in late.reason

    assert neural.submit(**event(occurred_at=now + dt.timedelta(hours=23))).is_new


def test_a_time_without_zone_is_the_stores_own_time(fake_broker):
    Store.objects.create(code="TYO", time_zone="Asia/Tokyo")

    tokyo = neural.submit(**event(store="TYO", occurred_at="2026-03-01T12:00:00")).event
    unknown = neural.submit(**event(store="NEW", occurred_at=dt.datetime(2026, 3, 1, 12))).event
    zoned = neural.submit(**event(occurred_at="2026-03-01T12:00:00+00:00")).event

    moments = [e.occurred_at.isoformat() for e in (tokyo, unknown, zoned)]
    assert moments == [
        "2026-03-01T03:00:00+00:00",
        "2026-03-01T04:00:00+00:00",  # Asia/Shanghai
        "2026-03-01T12:00:00+00:00",
    ]
    recorded = NeuralEvent.objects.order_by("pk").values_list("occurred_at", flat=True)
    assert [moment.isoformat() for moment in recorded] == moments


def test_without_a_time_it_occurred_now(fake_broker):
    moment = neural.submit(**event()).event.occurred_at

    assert abs((dt.datetime.now(dt.UTC) - moment).total_seconds()) < 60


def test_an_unknown_store_is_registered_as_unconfirmed_and_a_known_one_left_alone(fake_broker):
    Store.objects.create(code="OLD", name="Old", confirmed=True)

    neural.submit(**event(store="OLD"))
    neural.submit(**event(store="NEW"))

    assert list(Store.objects.values_list("code", "name", "confirmed")) == [
        ("NEW", "", False),
        ("OLD", "Old", True),
    ]


def test_an_event_that_nobody_handles_is_kept_as_unhandled(fake_broker):
    answer = neural.submit(**event(type="probe.unhandled"))

    assert answer.event.unhandled
    assert NeuralEvent.objects.unhandled().count() == 1
    assert not TaskRun.objects.exists()


def test_queue_and_priority_are_the_types_unless_given(fake_broker):
    neural.submit(**event("1", type="probe.urgent"))
    neural.submit(**event("2", type="probe.urgent", priority=3, queue="default"))
    neural.submit(**event("3", type="probe.urgent"), backfill=True)

    assert list(TaskRun.objects.order_by("pk").values_list("queue", "priority")) == [
        ("high_priority", 10),
        ("default", 3),
        ("low_priority", 1),
    ]


@pytest.mark.parametrize("backfill", [True, False])
def test_history_that_is_loaded_is_recorded_as_history(fake_broker, monkeypatch, backfill):
    known = []

    def note(new_events):
        known.append(works_on_history())
        return recording.record(new_events)

    monkeypatch.setattr(recording, "record_in_group", note)
    (answer,) = neural.submit_many([event()], backfill=backfill)

    assert answer.is_new
    assert set(known) == {backfill}
    assert not works_on_history()


def test_the_callers_rollback_leaves_nothing(fake_broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        try:
            with transaction.atomic():
                assert neural.submit(**event()).is_new
                raise KeyError
        except KeyError:
            pass

    assert not NeuralEvent.objects.exists()
    assert not TaskRun.objects.exists()
    assert not Store.objects.exists()
    assert fake_broker.sent == []


def test_messages_are_published_on_commit_and_not_before(
    fake_broker, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        neural.submit(**event())
        assert fake_broker.sent == []

    (message,) = fake_broker.sent
    run = TaskRun.objects.get()
    assert message.task_id == run.task_id
    assert message.task == "neural.tasks.process_neural_event"
    assert message.queue == "default"


def test_a_broker_that_is_away_does_not_matter_to_the_submitter(
    fake_broker, django_capture_on_commit_callbacks
):
    fake_broker.away = True

    with django_capture_on_commit_callbacks(execute=True):
        assert neural.submit(**event()).is_new

    assert TaskRun.objects.get().publish_at > TaskRun.objects.get().created_at


def test_a_duplicate_is_not_published_again(fake_broker, django_capture_on_commit_callbacks):
    neural.submit(**event())

    with django_capture_on_commit_callbacks(execute=True):
        neural.submit(**event())

    assert fake_broker.sent == []


def test_many_events_need_one_message_for_each_batch(
    fake_broker, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answers = list(neural.submit_many(event(str(n)) for n in range(250)))

    assert all(answer.is_new for answer in answers)
    assert len(fake_broker.sent) == 3


def test_many_answers_come_in_order_and_each_for_itself(fake_broker):
    requests = [
        event("1"),
        event("2", payload={}),
        event("1"),  # a duplicate within the chunk
        event("1", payload={"key": "other"}),  # a conflict within the chunk
        "not an object",
        event("3", colour="red"),
        event("4"),
    ]

    answers = list(neural.submit_many(requests))

    verdicts = [answer.verdict.value for answer in answers]
    assert verdicts == ["new", "refused", "duplicate", "refused", "refused", "refused", "new"]
    assert answers[2].event.pk == answers[0].event.pk
    assert "conflict" in answers[3].problems[0].reason
    assert answers[4].problems[0].reason == "must be an object"
    assert answers[5].problems[0].field == "colour"
    assert NeuralEvent.objects.count() == 2
    assert TaskRun.objects.count() == 2


def test_a_conflict_with_an_earlier_chunk_is_seen(fake_broker, settings):
    settings.NEURAL = {"submit_chunk": 2}
    requests = [event("1"), event("2"), event("2"), event("1", payload={"key": "x"})]

    verdicts = [answer.verdict.value for answer in neural.submit_many(requests)]

    assert verdicts == ["new", "new", "duplicate", "refused"]


def test_many_streams_a_chunk_at_a_time(fake_broker, settings):
    """It takes an endless source, and reads no further than the answers are taken."""
    settings.NEURAL = {"submit_chunk": 10}
    read = itertools.count()
    answers = neural.submit_many(event(str(n)) for n in read)
    assert NeuralEvent.objects.count() == 0

    taken = list(itertools.islice(answers, 15))

    assert len(taken) == 15
    assert next(read) == 20
    assert NeuralEvent.objects.count() == 20


@pytest.mark.django_db(transaction=True)  # else what waits for the commit grows
def test_many_events_use_no_more_memory_than_few(fake_broker, settings, caplog):
    settings.NEURAL = {"submit_chunk": 50}
    caplog.set_level(logging.CRITICAL, "neural")  # else the test runner keeps each line of the log

    def peak(count):
        tracemalloc.start()
        for number, _ in enumerate(neural.submit_many(event(f"{count}-{n}") for n in range(count))):
            if number % 50 == 0:
                gc.collect()  # else garbage stays for as long as the whole process has more of it
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)  # whatever is loaded on first use
    gc.freeze()
    try:
        # What is held would show in both; a cache that grows once shows in one.
        assert min(peak(1500), peak(1600)) < 3 * peak(150)
    finally:
        gc.unfreeze()
