"""A type may allow larger payloads than the setting, and has its limit at every entry point."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import neural
from neural.events import ndjson, recording, submit
from neural.events.answers import EventRefused
from neural.events.schema import Payload
from neural.events.types import TYPES, EventType, register_event_type
from neural.models import NeuralEvent, RefusedEvent, TaskRun
from neural.tasks import process_neural_event
from tests.registries import forget
from tests.unit.celeryapp.test_task import delivered

pytestmark = pytest.mark.django_db

KIB = 1024
USUAL = 256 * KIB


class Text(Payload):
    text: str


@pytest.fixture(autouse=True)
def _large_type() -> Iterator[None]:
    register_event_type(EventType(name="probe.large", schema=Text, max_bytes=2 * USUAL))
    yield
    forget(TYPES, "probe.large")


def payload(size: int) -> dict[str, Any]:
    """A payload whose JSON has this size in bytes; its characters have three bytes each."""
    around = len('{"text":""}')
    wide, rest = divmod(size - around, 3)
    return {"text": "汉" * wide + "x" * rest}


def event(size: int, kind: str = "probe.large", event_id: str = "1") -> dict[str, Any]:
    of = {"type": kind, "store": "S1", "source": "till", "event_id": event_id}
    return {**of, "payload": payload(size)}


def by_python(size: int, kind: str) -> str:
    answer = neural.submit(**event(size, kind))
    return answer.problems[0].reason if answer.is_refused else ""


def by_ndjson(size: int, kind: str) -> str:
    line = json.dumps(event(size, kind)).encode()
    (answer,) = ndjson.submit_lines([line])
    return answer.submission.problems[0].reason if answer.submission.is_refused else ""


def arguments(size: int, kind: str) -> dict[str, Any]:
    what = {"event_id": "1", "event_type": kind, "event_source": "till", "store_id": "S1"}
    return {**what, "data": payload(size)}


def by_celery(size: int, kind: str) -> str:
    try:
        process_neural_event.apply_async(kwargs=arguments(size, kind))
    except EventRefused as refused:
        return str(refused)
    return ""


def by_message(size: int, kind: str) -> str:
    try:
        with delivered(process_neural_event, "foreign", foreign=True) as task:
            task(**arguments(size, kind))
    except Exception as refused:
        return str(refused)
    return ""


ENTRIES = [by_python, by_ndjson, by_celery, by_message]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_payload_of_as_many_bytes_as_its_type_allows_is_recorded(fake_broker, entry):
    assert entry(2 * USUAL, "probe.large") == ""

    assert NeuralEvent.objects.get().payload == payload(2 * USUAL)


@pytest.mark.parametrize("entry", ENTRIES)
def test_one_byte_more_is_refused_with_the_limit_of_its_type(fake_broker, entry):
    assert "has 524,289 bytes; at most 524,288 are kept" in entry(2 * USUAL + 1, "probe.large")

    assert not NeuralEvent.objects.exists()
    assert RefusedEvent.objects.get().type == "probe.large"


@pytest.mark.parametrize("entry", [by_python, by_ndjson, by_celery])
def test_another_type_keeps_the_limit_of_the_setting(fake_broker, entry):
    assert "has 262,145 bytes; at most 262,144 are kept" in entry(USUAL + 1, "feedback.received")


def test_a_plain_clients_message_of_another_type_has_the_limit_of_all_arguments(fake_broker):
    assert "at most 262,144 are kept" in by_message(USUAL + 1, "feedback.received")
    assert TaskRun.objects.get().state == "dead"


def test_a_line_of_the_largest_payload_of_any_type_is_read_whole(fake_broker, tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_bytes(json.dumps(event(2 * USUAL), ensure_ascii=True).encode())

    with file.open("rb") as lines:
        (answer,) = ndjson.submit_lines(ndjson.bounded_lines(lines))

    assert answer.submission.is_new


def test_a_setting_that_allows_more_than_the_type_outranks_it(fake_broker, settings):
    settings.NEURAL = {"max_json_bytes": 3 * USUAL}

    assert neural.submit(**event(3 * USUAL)).is_new


@pytest.mark.parametrize("size", [0, -1])
def test_a_type_whose_payloads_have_no_bytes_is_not_registered(size):
    with pytest.raises(ValueError, match=r"max_bytes of 'probe.none' must be positive"):
        register_event_type(EventType(name="probe.none", schema=Text, max_bytes=size))


def test_a_chunk_of_large_payloads_ends_early_and_every_event_is_answered(fake_broker, monkeypatch):
    chunks = []

    def counted(new_events):
        chunks.append(len(new_events))
        return plainly(new_events)

    plainly = recording.record
    monkeypatch.setattr(recording, "record", counted)
    monkeypatch.setattr(submit, "CHUNK_CHARACTERS", 2500)

    answers = list(neural.submit_many(event(3000 - 11, event_id=str(n)) for n in range(7)))

    assert [answer.verdict for answer in answers] == ["new"] * 7
    assert [count for count in chunks if count] == [3, 3, 1]
