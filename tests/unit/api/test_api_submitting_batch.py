"""POST /events/batch: many events in one request, each answered on its own."""

import json

import pytest
from django.db import OperationalError

from neural.api import keys
from neural.api.models import Scope
from neural.events.ndjson import line_limit
from neural.models import NeuralEvent, RefusedEvent, Store, TaskRun

pytestmark = pytest.mark.django_db

URL = "/api/v1/events/batch"
NDJSON = "application/x-ndjson"


def event(name, **changes):
    fields = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": str(name)}
    return {**fields, "payload": {"key": f"k{name}"}, **changes}


def ndjson(*events):
    return b"".join(
        each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in events
    )


@pytest.fixture
def post(client, fake_broker):
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)

    def send(body, content_type=NDJSON, key=key, query="", **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(
            URL + query, raw, content_type=content_type, headers={"X-Api-Key": key, **headers}
        )

    return send


def answers(response):
    """The answered lines and the last one."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/x-ndjson"
    *each, last = map(json.loads, response.getvalue().splitlines())
    return each, last


def statuses(response):
    return [each["status"] for each in answers(response)[0]]


def test_each_line_is_answered_in_order_and_the_last_line_sums_up(post):
    Store.objects.create(code="S1", confirmed=True)
    post(ndjson(event(1)))
    body = ndjson(event(1), event(2), b"\n", event(3, payload={}), event(1, payload={"key": "x"}))

    each, last = answers(post(body))

    first, second = NeuralEvent.objects.order_by("pk")
    assert each[0] == {"line": 1, "status": 200, "verdict": "duplicate", "id": first.pk}
    assert each[1] == {"line": 2, "status": 202, "verdict": "new", "id": second.pk}
    assert (each[2]["line"], each[2]["status"]) == (4, 422)
    assert each[2]["errors"][0]["field"] == "payload.key"
    assert (each[3]["line"], each[3]["status"], each[3]["id"]) == (5, 409, first.pk)
    assert last == {"summary": {"new": 1, "duplicate": 1, "refused": 2}}


def test_a_json_list_is_answered_by_its_indexes(post):
    each, last = answers(post([event(1), "no event", event(2)], "application/json"))

    assert [line["index"] for line in each] == [0, 1, 2]
    assert [line["status"] for line in each] == [202, 422, 202]
    assert last["summary"] == {"new": 2, "duplicate": 0, "refused": 1}


def test_a_batch_of_cloudevents_is_a_list_of_cloudevents_alone(post):
    cloudevent = {
        "specversion": "1.0",
        "type": "probe.counted",
        "source": "till",
        "id": "1",
        "store": "S1",
        "data": {"key": "k1"},
    }

    response = post([cloudevent, event(2)], "application/cloudevents-batch+json")
    mixed = post(ndjson(cloudevent, event(2)))

    assert statuses(response) == [202, 422]
    assert statuses(mixed) == [200, 202]


def test_an_element_that_cannot_be_read_is_refused_and_the_others_are_kept(post):
    broken = [
        *(b'{"a": 1,, "b": "]}"}', b'{"a": NaN}', b"[1, 2}", b"nonsense", b'{"a": "\xff"}'),
        b'{"a": 1, "a": 2}',
        *(b"1" * 5000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b'"\\x"'),
    ]
    good = [json.dumps(event(n)).encode() for n in range(2)]

    listed = post(b"[" + b", ".join([good[0], *broken, good[1]]) + b"]", "application/json")
    lines = post(b"\n".join([good[0], *broken, good[1]]))

    assert statuses(listed) == [202, *([400] * len(broken)), 202]
    assert statuses(lines) == [200, *([400] * len(broken)), 200]
    assert RefusedEvent.objects.count() > 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{}", "is not a JSON list"),
        (b"nonsense", "is not a JSON list"),
        (b"[", "ends within element 0"),
        (b"\xff", "is not a JSON list"),
        (b"[]", "no events"),
        (b" ", "is not a JSON list"),
    ],
)
def test_what_is_no_list_at_all_is_answered_with_a_problem(post, text, reason):
    response = post(text, "application/json")

    assert response.status_code == 400
    assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", "no comma after element 0"),
        (b", ", "ends within element 1"),
        (b', {"a": "', "ends within element 1"),
        (b" {}]", "no comma"),
        (b"] []", "text after the end"),
    ],
)
def test_where_a_list_breaks_the_last_line_says_so_and_what_came_before_is_kept(post, rest, reason):
    response = post(b"[" + json.dumps(event(1)).encode() + rest, "application/json")

    each, last = answers(response)
    assert [line["status"] for line in each] == [202]
    assert reason in last["problem"]["detail"]
    assert NeuralEvent.objects.count() == 1


def test_a_line_longer_than_any_event_is_refused_alone(post):
    long = b'{"a": "' + b"x" * (line_limit() + 70_000) + b'"}\n'

    assert statuses(post(ndjson(event(1), long, event(2)))) == [202, 400, 202]


def test_an_element_longer_than_any_event_ends_the_batch(post):
    long = [event(1), event(2, payload={"key": "x" * (line_limit() + 1)})]

    assert statuses(post(long, "application/json")) == [202, 422]


def test_events_of_another_store_are_refused_alone_and_not_kept(post):
    mine = Store.objects.create(code="S2")
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=[mine])

    response = post(ndjson(event(1), event(2, store="S2")), key=key)

    assert statuses(response) == [403, 202]
    assert not RefusedEvent.objects.exists()
    assert NeuralEvent.objects.get().store_id == "S2"


def test_a_store_that_is_not_text_is_no_way_around_the_stores_of_a_key(post):
    mine, other = (Store.objects.create(code=code) for code in ("5", "6"))
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=[mine])

    response = post(ndjson(event(1, store=5), event(2, store=6), event(3, store=None)), key=key)

    assert statuses(response) == [422, 403, 422]
    assert not RefusedEvent.objects.filter(store_code=other.code).exists()


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"content_type": "text/csv"}, 415), ({"query": "?a=1"}, 422)],
)
def test_of_a_refused_request_with_a_key_the_body_is_read_to_its_end(post, changes, status):
    """Otherwise the connection would break while the client still sends."""
    response = post(ndjson(*map(event, range(2000))), **changes)

    assert response.status_code == status
    assert response.wsgi_request.read() == b""


def test_without_a_valid_key_nothing_of_the_body_is_waited_for(post):
    body = ndjson(*map(event, range(2000)))

    response = post(body, key="zn_wrong")

    assert response.status_code == 401
    assert response.wsgi_request.read() == body


def test_more_events_than_a_batch_may_have_are_left_and_the_last_line_says_so(post, settings):
    settings.NEURAL = {**settings.NEURAL, "api_batch_events": 3, "submit_chunk": 2}

    each, last = answers(post(ndjson(*map(event, range(5)))))

    assert [line["status"] for line in each] == [202, 202, 202]
    assert last["problem"]["status"] == 413
    assert last["problem"]["answered"] == {"new": 3, "duplicate": 0, "refused": 0}
    assert NeuralEvent.objects.count() == 3


def test_a_batch_larger_than_allowed_is_refused_unread(post, settings):
    settings.NEURAL = {**settings.NEURAL, "api_batch_bytes": 1024}

    response = post(ndjson(*map(event, range(50))))

    assert response.status_code == 413
    assert not NeuralEvent.objects.exists()


def test_a_database_that_goes_away_is_said_in_the_last_line(post, settings, monkeypatch):
    from neural.events import recording

    settings.NEURAL = {**settings.NEURAL, "submit_chunk": 2}
    insert, calls = recording.insert_new, []

    def fail_later(*arguments):
        calls.append(1)
        if len(calls) > 1:
            raise OperationalError("the database is gone")
        return insert(*arguments)

    monkeypatch.setattr(recording, "insert_new", fail_later)
    each, last = answers(post(ndjson(*map(event, range(5)))))
    nothing = post(ndjson(event(9)))

    assert [line["line"] for line in each] == [1, 2]
    assert last["problem"]["status"] == 503
    assert NeuralEvent.objects.count() == 2
    assert nothing.status_code == 503
    assert int(nothing["Retry-After"]) > 0


def test_history_goes_to_its_queue(post):
    post(ndjson(event(1)), query="?backfill=true").getvalue()
    post(ndjson(event(2, backfill=True), event(3))).getvalue()

    queues = dict(TaskRun.objects.values_list("event__event_id", "queue"))
    assert (queues["1"], queues["2"]) == ("low_priority", "low_priority")
    assert queues["3"] != "low_priority"
    assert post(ndjson(event(4)), query="?backfill=perhaps").status_code == 422
