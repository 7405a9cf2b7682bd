"""Each event of many is answered for, whatever one of them is, and so is each of the others."""

import datetime as dt
import enum
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from pydantic import field_validator

import neural
from neural.events import new_event
from neural.events.answers import EventRefused, InvalidEvent
from neural.events.schema import Payload
from neural.events.types import TYPES, EventType, check_payload, register_event_type
from neural.models import NeuralEvent, RefusedEvent
from neural.restaurant.models import Order
from neural.tasks import process_neural_event
from tests.registries import forget
from tests.unit.restaurant.test_schemas import VALID

pytestmark = pytest.mark.django_db


def event(key, **fields):
    given = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": key}
    return {**given, "payload": {"key": key}, **fields}


class Amount(Payload):
    amount: int


class Deep(Amount):
    """Each way in which a schema may have another."""

    many: tuple[Amount, ...] = ()
    named: dict[str, Annotated[Amount, "a note"]] = {}
    maybe: list[Amount] | None = None
    either: "Amount | Deep | None" = None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ammount": 1},
        {"amount": 1, "many": [{"amount": 1}, {"ammount": 1}]},
        {"amount": 1, "named": {"a": {"ammount": 1}}},
        {"amount": 1, "maybe": [{"ammount": 1}]},
    ],
)
def test_wherever_a_field_is_missing_the_one_that_was_meant_for_it_is_named(wrong):
    kind = EventType(name="probe.deep", schema=Deep)

    with pytest.raises(InvalidEvent) as refused:
        check_payload(kind, json.dumps(wrong))

    missing, misspelt = refused.value.problems
    assert missing.reason == "Field required"
    assert misspelt.field == missing.field.replace("amount", "ammount")
    assert misspelt.reason == "is not a field of the schema; did you mean amount?"


def test_what_may_be_of_several_schemas_has_no_unknown_field():
    kind = EventType(name="probe.deep", schema=Deep)

    with pytest.raises(InvalidEvent) as refused:
        check_payload(kind, json.dumps({"either": {"ammount": 1}}), strict=True)

    assert {each.reason for each in refused.value.problems} == {"Field required"}


class Raising(Mapping):
    """A mapping that cannot be looked at."""

    def __getitem__(self, name):
        raise RuntimeError("no")

    def __iter__(self):
        raise RuntimeError("the till's own class")

    def __len__(self):
        return 1


class RaisingDict(dict):
    def items(self):
        raise LookupError("half read")

    keys = __iter__ = items


class OddText(str):
    """Text that is like nothing, not even itself."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        raise RuntimeError("incomparable")

    def encode(self, *_):
        raise RuntimeError("not encoded")


class Kind(str, enum.Enum):  # noqa: UP042 (as older code has them)
    COUNTED = "probe.counted"


class NoWords(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


class Speechless(Mapping):
    def __iter__(self):
        raise NoWords

    __getitem__ = __len__ = __iter__


class NoZone(dt.tzinfo):
    def utcoffset(self, moment):
        raise ZeroDivisionError("no zone")


HOSTILE = {
    "a mapping that raises": (Raising(), "event", "RuntimeError: the till's own class"),
    "one whose error has no words": (Speechless(), "event", "could not be read: NoWords"),
    "a dict that raises": (RaisingDict(a=1), "event", "LookupError: half read"),
    "a payload that raises": (event("x", payload=RaisingDict(a=1)), "event", "LookupError"),
    "a payload that is no dict": (event("x", payload=Raising()), "payload", "written as JSON"),
    "an integer of 5,000 digits": (event("x", payload={"key": "x", "n": 10**5000}), "payload", ""),
    "an integer no float can hold": (
        event("x", payload={"key": "x", "text": "0" * 400, "n": -(10**308)}),
        "payload",
        "has a number of 309 digits",
    ),
    "infinity": (event("x", payload={"key": "x", "n": float("inf")}), "payload", "JSON"),
    "no number": (event("x", payload={"key": float("nan")}), "payload", "JSON"),
    "a time out of range": (
        event("x", occurred_at=dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=9)))),
        "occurred_at",
        "must be a time",
    ),
    "a zone that raises": (
        event("x", occurred_at=dt.datetime(2026, 1, 1, tzinfo=NoZone())),
        "event",
        "could not be read: ZeroDivisionError: no zone",
    ),
    "an offset that PostgreSQL does not keep": (
        event("x", occurred_at="2026-03-01T12:00:00+16:00"),
        "occurred_at",
        "must not be more than 15:59 hours away from UTC",
    ),
    "the till's empty battery": (
        event("x", occurred_at="0001-03-01T12:00Z"),
        "occurred_at",
        "1900",
    ),
    "a key that is no text": ({**event("x"), 5: 6}, "5", "is not a field of an event"),
    "a list": ([1], "event", "must be an object"),
    "nothing": (None, "event", "must be an object"),
    "a lone surrogate": (event("\ud800"), "event_id", "surrogate"),
    "bytes": (event("x", payload={"key": b"\xff"}), "payload", "JSON"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_it_is_refused_with_a_reason_and_its_neighbours_are_recorded(fake_broker, what):
    hostile, field, reason = HOSTILE[what]

    answers = list(neural.submit_many([event("a"), hostile, event("b")]))

    assert [answer.verdict for answer in answers] == ["new", "refused", "new"]
    assert (answers[1].problems[0].field, reason in answers[1].problems[0].reason) == (field, True)
    assert NeuralEvent.objects.count() == 2
    (row,) = RefusedEvent.objects.all()
    assert row.problems[0]["field"] == field


@pytest.mark.parametrize(
    "sound",
    [
        event("x", type=Kind.COUNTED),
        event(OddText("x"), store=OddText("S1")),
        event("x", payload={"key": "x", "text": "1" * 1000, "n": 10**307, "f": 1e308}),
        event("x", occurred_at="2026-03-01T12:00:00+15:59"),
        event("x", payload={"key": "x", "n": Decimal("1.10")}),
    ],
)
def test_what_is_only_odd_is_recorded(fake_broker, sound):
    answers = list(neural.submit_many([event("a"), sound]))

    assert [answer.verdict for answer in answers] == ["new", "new"]
    assert answers[1].event.event_id == "x"


def test_a_check_of_an_app_that_raises_refuses_the_event_alone(fake_broker, request):
    class Checked(Payload):
        key: str

        @field_validator("key")
        @classmethod
        def _looked_up(cls, value):
            raise {"deep": RecursionError, "lost": LookupError}.get(value, ZeroDivisionError)("bug")

    request.addfinalizer(lambda: forget(TYPES, "probe.checked"))
    register_event_type(EventType(name="probe.checked", schema=Checked))
    bad = [event(key, type="probe.checked", payload={"key": key}) for key in ("deep", "lost", "x")]

    answers = list(neural.submit_many([event("a"), *bad, event("b")]))

    assert [answer.verdict for answer in answers] == ["new", *["refused"] * 3, "new"]
    assert answers[1].problems[0].reason == "could not be read: RecursionError: bug"
    with pytest.raises(EventRefused, match="could not be read: ZeroDivisionError: bug"):
        process_neural_event.delay("9", "probe.checked", "till", "S1", {"key": "x"})


@pytest.mark.parametrize("error", [OperationalError("away"), SoftTimeLimitExceeded()])
def test_what_is_not_the_events_fault_is_raised(fake_broker, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(new_event, "canonical", fail)

    with pytest.raises(type(error)):
        list(neural.submit_many([event("a")]))
    assert not RefusedEvent.objects.exists()


@pytest.mark.parametrize("chunk", [2, 500])
def test_what_an_iterable_gave_before_it_raised_is_recorded_and_answered(
    fake_broker, settings, chunk
):
    settings.NEURAL = {"submit_chunk": chunk}

    def broken():
        yield event("a")
        yield event("b")
        yield event("c", type="unknown")
        raise LookupError("the file ends here")

    answers, verdicts = neural.submit_many(broken()), []
    with pytest.raises(LookupError, match="the file ends here"):
        verdicts.extend(answer.verdict for answer in answers)

    assert verdicts == ["new", "new", "refused"]
    assert NeuralEvent.objects.count() == 2


@pytest.mark.parametrize("code", [1e308, 1e22, -1e-7])
def test_a_code_that_databases_write_differently_is_refused(fake_broker, code):
    payload = {"order_id": code, "lines": []}

    (problem,) = neural.submit(**event("x", type="order.created", payload=payload)).problems

    assert (problem.field, "in plain digits" in problem.reason) == ("payload.order_id", True)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("order.stated", "till"),
        ("order.stated", "split_from"),
        ("order.status_changed", "order_id"),
        ("order.merged", "into"),
        ("payment.stated", "payment_id"),
        ("refund.stated", "refund_id"),
        ("settlement.stated", "order_id"),
        ("delivery.updated", "order_id"),
        ("staff.clocked_in", "timecard_id"),
        ("staff.clocked_out", "staff_id"),
        ("day.closed", "till"),
    ],
)
def test_so_is_one_of_a_type_that_tills_state(fake_broker, kind, place):
    payload = {**VALID[kind], place: 1e22}

    (problem,) = neural.submit(**event("x", type=kind, payload=payload)).problems

    assert (problem.field, "in plain digits" in problem.reason) == (f"payload.{place}", True)


@pytest.mark.parametrize("code", [17, 17.5, 10**60])
def test_a_number_in_plain_digits_is_a_code(fake_broker, code):
    payload = {"order_id": code, "lines": []}
    neural.submit(**event("x", type="order.created", payload=payload)).or_raise()

    neural.run_due()

    assert Order.objects.get().number == str(code)


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("order.stated", "placed_at"),
        ("order.stated", "promised_at"),
        ("order.stated", "closed_at"),
        ("delivery.updated", "at"),
        ("delivery.updated", "eta"),
        ("store.opened", "at"),
        ("store.busy", "until"),
        ("staff.clocked_in", "at"),
        ("staff.clocked_out", "at"),
    ],
)
def test_so_has_a_time_that_tills_state(fake_broker, kind, place):
    payload = {**VALID[kind], place: "2026-03-01T12:00:00+16:00"}

    (problem,) = neural.submit(**event("x", type=kind, payload=payload)).problems

    assert problem.field == f"payload.{place}"
    assert "must not be more than 15:59 hours away from UTC" in problem.reason


@pytest.mark.parametrize("kind", sorted(VALID))
@pytest.mark.parametrize(
    "wrong",
    [{"x": float("nan")}, {"x": "\0"}, {"x": "\ud800"}, {"x": 10**400}],
    ids=("no number", "NUL", "half of a pair", "400 digits"),
)
def test_what_cannot_be_kept_is_refused_in_a_field_that_no_schema_knows(fake_broker, kind, wrong):
    answer = neural.submit(**event("x", type=kind, payload={**VALID[kind], **wrong}))

    assert answer.is_refused
    assert {problem.field for problem in answer.problems} == {"payload"}


@pytest.mark.parametrize("kind", sorted(VALID.keys() - {"till.pushed"}))
def test_a_valid_payload_of_each_type_is_recorded_and_handled_or_kept(fake_broker, kind):
    neural.submit(**event("x", type=kind, payload=VALID[kind])).or_raise()

    neural.run_due()

    recorded = NeuralEvent.objects.get()
    assert set(recorded.runs.values_list("state", flat=True)) <= {"succeeded"}
    assert recorded.unhandled is not recorded.runs.exists()


def test_a_push_that_tells_no_event_is_recorded_and_its_run_says_why(fake_broker):
    neural.submit(**event("x", type="till.pushed", payload=VALID["till.pushed"])).or_raise()

    neural.run_due()

    recorded = NeuralEvent.objects.get()
    assert recorded.payload == VALID["till.pushed"]
    run = recorded.runs.get()
    assert (run.state, run.error) == (
        "dead",
        "CannotTranslate: data must be an object, not missing",
    )


def test_a_time_in_a_payload_has_an_offset_that_can_be_kept(fake_broker):
    for hours, verdict in ((16, "refused"), (-16, "refused"), (14, "new")):
        zone = dt.timezone(dt.timedelta(hours=hours))
        placed = dt.datetime(2026, 3, 1, tzinfo=zone).isoformat()
        payload = {"order_id": "1", "lines": [], "placed_at": placed}
        answer = neural.submit(**event(str(hours), type="order.created", payload=payload))
        assert answer.verdict == verdict, answer.problems
        if answer.is_refused:
            assert answer.problems[0].field == "payload.placed_at"
    neural.run_due()
    assert Order.objects.count() == 1
