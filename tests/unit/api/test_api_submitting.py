"""POST /events: one event in each of its shapes, and every answer to it."""

import json

import pytest
from django.db import OperationalError, connection

from neural.api import keys, version1
from neural.api.models import Scope
from neural.api.submitting import requests
from neural.events.ndjson import line_limit
from neural.events.recording import UNCONFIRMED
from neural.models import NeuralEvent, RefusedEvent, Store, TaskRun

pytestmark = pytest.mark.django_db

URL = "/api/v1/events"
EVENT = {
    "type": "probe.counted",
    "store": "S1",
    "source": "till",
    "event_id": "1",
    "payload": {"key": "k1"},
}
CLOUDEVENT = {
    "specversion": "1.0",
    "type": "probe.counted",
    "store": "S1",
    "source": "till",
    "id": "1",
    "data": {"key": "k1"},
}


CLOUDEVENTS = "application/cloudevents+json"


@pytest.fixture
def post(client, fake_broker):
    """Posts as a program with a key for every store."""
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)

    def send(body, content_type="application/json", key=key, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(URL, raw, content_type=content_type, headers={"X-Api-Key": key, **names})

    return send


def problems(response):
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    return {each["field"]: each["reason"] for each in body.get("errors", [])}


def test_a_new_event_is_accepted_with_where_to_read_what_became_of_it(post):
    response = post(EVENT)

    event = NeuralEvent.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/events/{event.pk}"
    assert response.json() == {
        "id": event.pk,
        "verdict": "new",
        "store": "S1",
        "source": "till",
        "event_id": "1",
        "type": "probe.counted",
        "url": f"/api/v1/events/{event.pk}",
        "warnings": [{"field": "store", "reason": UNCONFIRMED.reason}],
    }
    run = TaskRun.objects.get()
    assert run.requested_by.startswith("API key ")


def test_the_same_event_again_is_a_duplicate_with_the_same_answer(post):
    first = post(EVENT)
    again = post(EVENT)

    assert again.status_code == 200
    assert again.json() == {**first.json(), "verdict": "duplicate"}
    assert again["Location"] == first["Location"]
    assert TaskRun.objects.count() == 1


def test_the_same_id_with_another_content_is_a_conflict_that_names_the_recorded_event(post):
    first = post(EVENT).json()
    response = post({**EVENT, "payload": {"key": "other"}})

    assert response.status_code == 409
    assert response.json()["id"] == first["id"]
    assert "recorded before" in problems(response)["event_id"]
    assert NeuralEvent.objects.get().payload == {"key": "k1"}


def test_an_invalid_event_is_refused_with_each_field_and_kept_for_people(post):
    response = post({**EVENT, "payload": {}, "priority": 1})

    assert response.status_code == 422
    assert list(problems(response)) == ["payload.key"]
    assert RefusedEvent.objects.get().entry_point == "http"
    assert not NeuralEvent.objects.exists()


def test_an_event_of_a_store_that_the_key_may_not_use_leaves_nothing_behind(post):
    mine = Store.objects.create(code="S2")
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=[mine])

    response = post({**EVENT, "payload": "not even valid"}, key=key)

    assert response.status_code == 403
    assert list(problems(response)) == ["store"]
    assert not NeuralEvent.objects.exists()
    assert not RefusedEvent.objects.exists()
    assert not Store.objects.filter(code="S1").exists()
    assert post({**EVENT, "store": "S2"}, key=key).status_code == 202


def test_a_structured_cloudevent_is_the_same_event(post):
    first = post(EVENT)
    response = post(CLOUDEVENT, "application/cloudevents+json; charset=utf-8")

    assert response.status_code == 200
    assert response.json()["id"] == first.json()["id"]


def test_a_cloudevent_in_binary_mode_has_its_attributes_in_headers(post):
    headers = {f"ce_{name}": value for name, value in CLOUDEVENT.items() if name != "data"}
    headers |= {"ce_source": '"caf%C3%A9 %F0%9F%98%80"', "ce_priority": "7"}

    response = post(CLOUDEVENT["data"], **headers)

    assert response.status_code == 202
    assert response.json()["source"] == "café 😀"
    assert TaskRun.objects.get().priority == 7


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"datacontenttype": 5}, "datacontenttype"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"store": None}, "store"),
        ({"id": ""}, "event_id"),
        ({"time": "yesterday"}, "occurred_at"),
    ],
)
def test_an_invalid_cloudevent_is_refused_with_its_attribute(post, changes, field):
    response = post({**CLOUDEVENT, **changes}, "application/cloudevents+json")

    assert response.status_code == 422
    assert list(problems(response)) == [field]


def test_an_idempotency_key_is_the_id_of_an_event_that_has_none(post):
    without = {name: value for name, value in EVENT.items() if name != "event_id"}

    by_header = post(without, Idempotency_Key='"8e03"')
    by_body = post({**without, "idempotency_key": "8e03"})

    assert by_header.json()["event_id"] == "8e03"
    assert (by_header.status_code, by_body.status_code) == (202, 200)


def test_an_idempotency_key_that_is_not_the_event_id_is_refused(post):
    assert list(problems(post(EVENT, Idempotency_Key="2"))) == ["Idempotency-Key"]
    assert list(problems(post({**EVENT, "idempotency_key": "2"}))) == ["idempotency_key"]
    assert post({**EVENT, "idempotency_key": "1"}, Idempotency_Key="1").status_code == 202


def test_a_backfilled_event_goes_to_the_queue_of_history(post):
    post({**EVENT, "backfill": True})

    assert TaskRun.objects.get().queue == "low_priority"


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_another_media_type_is_refused_with_those_that_are_accepted(post, content_type):
    response = post(EVENT, content_type)

    assert response.status_code == 415
    assert "application/cloudevents+json" in response["Accept"]


def test_a_compressed_body_and_another_charset_are_refused(post):
    assert post(EVENT, Content_Encoding="gzip").status_code == 415
    assert post(EVENT, "application/json; charset=gbk").status_code == 415
    assert post(EVENT, 'application/json; charset="UTF-8"').status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b" \n",
        b"{",
        b'{"a": 1} {}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": %s}' % (b"1" * 5000),
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
    ],
)
def test_a_body_that_is_no_json_is_refused(post, body):
    response = post(body)

    assert response.status_code == 400
    problems(response)
    assert not NeuralEvent.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"1e400",
        b'"\\ud800"',
        b'{"payload": {"key": "\\ud800"}}',
        b'{"payload": {"key": "\\u0000"}, "store": "\\u0000"}',
        b'{"payload": {"key": "k", "n": 1e400}}',
        b'{"payload": {"key": "k", "n": %s}}' % (b"1" * 400),
        b'{"payload": ' + b'{"a":' * 150 + b"1" + b"}" * 150 + b"}",
        b'{"type": [], "store": {}, "source": 1, "event_id": true}',
    ],
)
def test_json_that_is_no_event_is_refused(post, body):
    raw = body
    if body.startswith(b"{"):
        whole = {name: value for name, value in EVENT.items() if f'"{name}"'.encode() not in body}
        raw = body[:-1] + b"," + json.dumps(whole).encode()[1:]

    response = post(raw)

    assert response.status_code == 422
    problems(response)
    assert not NeuralEvent.objects.exists()


def test_a_byte_order_mark_is_no_obstacle(post):
    assert post(b"\xef\xbb\xbf" + json.dumps(EVENT).encode()).status_code == 202


def test_a_body_larger_than_any_event_is_refused_unread(post):
    response = post(b" " * (line_limit() + 1))

    assert response.status_code == 413
    problems(response)


def test_djangos_limit_for_forms_does_not_apply(post, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    assert post(EVENT).status_code == 202


def test_without_a_database_the_answer_says_when_to_try_again(post, monkeypatch):
    def fail(*_, **__):
        raise OperationalError("the database is gone")

    monkeypatch.setattr("neural.events.recording.insert_new", fail)
    response = post(EVENT)
    monkeypatch.setattr("neural.api.keys.find", fail)
    unknown = post(EVENT)

    for each in (response, unknown):
        assert each.status_code == 503
        assert int(each["Retry-After"]) > 0
        problems(each)


def test_other_methods_and_addresses_are_answered_with_problems(client, post):
    wrong = client.put(URL)
    nowhere = client.get("/api/v1/nowhere")

    assert wrong.status_code == 405
    assert "POST" in wrong["Allow"]
    problems(wrong)
    assert nowhere.status_code == 404
    problems(nowhere)


def test_the_trace_of_a_request_reaches_the_runs_unless_the_event_has_its_own(post):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    own = trace.replace("b7ad", "c7ad")

    post(EVENT, traceparent=trace, tracestate="vendor=1")
    post({**CLOUDEVENT, "id": "2", "traceparent": own}, CLOUDEVENTS, traceparent=trace)
    post({**EVENT, "event_id": "3"}, traceparent="nonsense")

    kept = dict(TaskRun.objects.values_list("event__event_id", "options"))
    assert kept["1"] == {"headers": {"traceparent": trace, "tracestate": "vendor=1"}}
    assert kept["2"] == {"headers": {"traceparent": own}}
    assert kept["3"] == {}


@pytest.mark.django_db(transaction=True)
def test_accepted_means_committed_also_in_a_project_with_a_transaction_for_each_request(
    post, monkeypatch
):
    """With ATOMIC_REQUESTS, the response of a view is made before the commit."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    transactions = []
    submit = requests.submit_many

    def watched(*arguments, **named):
        transactions.append(connection.in_atomic_block)
        return submit(*arguments, **named)

    monkeypatch.setattr(requests, "submit_many", watched)

    assert post(EVENT).status_code == 202
    assert transactions == [False]


def test_one_event_takes_few_statements(post, django_assert_max_num_queries):
    """Its key, and on PostgreSQL one statement for event, runs and store; on SQLite three, and a
    savepoint around them. The key's first use in a minute is noted, too."""
    post({**EVENT, "event_id": "of-the-first-use"})

    with django_assert_max_num_queries(2 if connection.vendor == "postgresql" else 8):
        post(EVENT)


def test_the_description_of_a_body_shows_what_is_accepted(post):
    """The examples of the API's description, but for their type, are events that are accepted."""
    body = version1.build().get_openapi_schema(path_prefix="/api/v1/")["paths"][URL]["post"]
    contents = body["requestBody"]["content"]

    assert set(contents) == {"application/json", CLOUDEVENTS}
    for media_type, content in contents.items():
        example = content["example"]
        data = {"data": {"key": "k"}} if "data" in example else {}
        payload = data or {"payload": {"key": "k"}}
        event = {**example, "type": "probe.counted", **payload}
        assert post(event, media_type).status_code in (200, 202)
    assert {"200", "202", "409", "422", "503"} <= set(map(str, body["responses"]))
