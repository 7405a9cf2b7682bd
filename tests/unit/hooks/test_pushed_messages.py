"""A push that a plain Celery client sends is kept without its credentials, whatever becomes of
it."""

import json

import pytest

from neural.broker.envelopes import REFUSED_HEADER, refusal
from neural.celeryapp import event_task
from neural.events.redaction import LEFT_OUT
from neural.models import NeuralEvent, RefusedEvent, TaskRun
from neural.tasks import process_neural_event
from neural.worker.refusing import MessageRefused
from tests.unit.celeryapp.test_task import delivered

pytestmark = pytest.mark.django_db

PUSH = {"vendor": "eleme", "body": "b", "headers": {"Authorization": "s3cret", "X-A": "b"}}
KEPT = {"vendor": "eleme", "body": "b", "headers": {"X-A": "b"}}
BAD = {**PUSH, "body": "\x00"}
EVENT = {"event_id": "1", "event_source": "eleme", "store_id": "S1"}
IS_PUSH = {"event_type": "till.pushed"}


def receive(*args, message=None, **kwargs):
    with delivered(process_neural_event, "t1", foreign=True, **(message or {})) as task:
        return task(*args, **kwargs)


def stored():
    """Whatever the database has of the message, as one text."""
    tables = (TaskRun, RefusedEvent, NeuralEvent)
    return repr([list(table.objects.values()) for table in tables])


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([], {**EVENT, **IS_PUSH, "data": PUSH}),
        (["1", "till.pushed", "eleme", "S1", PUSH], {}),
        (["1", "till.pushed"], {"event_source": "eleme", "store_id": "S1", "data": PUSH}),
    ],
)
def test_a_push_is_recorded_without_its_credentials_however_it_was_given(fake_broker, args, kwargs):
    assert receive(*args, **kwargs) == "new"

    assert NeuralEvent.objects.get().payload == KEPT
    run = TaskRun.objects.get(handler="")  # the message's own; the event's handler has another
    assert KEPT in [*run.args, *run.kwargs.values()]
    assert "s3cret" not in stored()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([], {**EVENT, **IS_PUSH, "data": json.dumps(PUSH)}),
        ([], {**EVENT, **IS_PUSH, "data": [PUSH]}),
        ([], {**EVENT, **IS_PUSH, "payload": PUSH}),
        ([], {**EVENT, **IS_PUSH, "data": PUSH, "more": [PUSH]}),
        ([], {**EVENT, **IS_PUSH, "data": PUSH, "priority": PUSH}),
        ([], {**EVENT, "data": PUSH}),
        ([], {**EVENT, "event_type": "till.psuhed", "data": PUSH}),
        ([], {**EVENT, "event_type": ["till.pushed"], "data": PUSH}),
        (["1", "till.pushed", "eleme", "S1", PUSH, 5, PUSH], {}),
        (["1", "order.created", "eleme", "S1", PUSH], {"event_type": "till.pushed", "data": PUSH}),
        ([PUSH, "till.pushed"], {}),
        ([], {**EVENT, **IS_PUSH, "data": BAD}),
        (["1", "till.pushed", "eleme", "S1", BAD], {}),
        ([], {**EVENT, "data": BAD}),
    ],
)
def test_nor_are_they_kept_of_a_message_that_is_refused(fake_broker, args, kwargs):
    with pytest.raises(Exception):  # noqa: B017, PT011 (each is refused for its own reason)
        receive(*args, **kwargs)

    assert TaskRun.objects.get().state == "dead"
    assert RefusedEvent.objects.count() == 1
    assert "s3cret" not in stored()


def test_a_refused_message_that_comes_again_is_the_same_letter(fake_broker):
    for authorization in ("s3cret", "another"):
        with pytest.raises(MessageRefused):
            receive(**EVENT, data={**BAD, "headers": {"Authorization": authorization}})

    assert TaskRun.objects.count() == 1


def test_nor_are_they_kept_of_a_message_whose_arguments_cannot_be_read():
    header = refusal(reason="no JSON", task_id="t1", content=json.dumps([[], {"data": PUSH}])[:-1])
    with pytest.raises(MessageRefused):
        receive(message={REFUSED_HEADER: header})

    assert TaskRun.objects.get().kwargs == {"message": LEFT_OUT}


def test_a_message_is_not_lost_when_the_function_of_its_type_fails(fake_broker, monkeypatch):
    def fails(type_name, payload):
        raise KeyError("headers")

    monkeypatch.setattr(event_task, "kept_of", fails)
    with pytest.raises(Exception, match="must be an object"):
        receive(**EVENT, **IS_PUSH, data=PUSH)

    assert TaskRun.objects.get().kwargs["data"] == LEFT_OUT
    assert "s3cret" not in stored()


def test_what_another_event_contains_is_kept_as_it_was_sent(fake_broker):
    data = {"order_id": "1", "headers": {"Authorization": "of a guest"}}
    with pytest.raises(Exception, match="lines"):
        receive(**EVENT, event_type="order.created", data=data)

    assert TaskRun.objects.get().kwargs["data"] == data
