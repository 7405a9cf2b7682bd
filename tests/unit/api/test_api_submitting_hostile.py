"""Whatever is posted: the answer is no 500, and an event is there with its runs, or not at all.

HOSTILE_EXAMPLES=10000 tries more than the few examples of an ordinary run.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neural.api import keys
from neural.api.models import Scope
from neural.models import NeuralEvent, TaskRun

pytestmark = pytest.mark.django_db(transaction=False)

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", 60))
ANSWERS = {200, 202, 400, 409, 413, 415, 422}

edges = st.sampled_from(
    ["\x00", "\ud800", "\udfff", "\ufeff", "\u2028", "😀", "\\u0000", "a" * 300, "", " ", "/", "k"]
)
texts = st.one_of(edges, st.text(st.characters(codec=None), max_size=8))
numbers = st.one_of(
    st.integers(),
    st.integers(min_value=10**300, max_value=10**320),
    st.floats(),
    st.sampled_from([float("nan"), float("inf"), -0.0, 1e308, 5e-324, True]),
)
values = st.recursive(
    st.one_of(st.none(), texts, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


def nested(value, levels):
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


deep = st.builds(nested, st.just(1), st.sampled_from([5, 99, 101, 400, 900, 1500]))
payloads = st.one_of(
    values,
    deep,
    st.builds(lambda more: {"key": "k", **more}, st.dictionaries(texts, values, max_size=4)),
    st.builds(lambda inner: {"key": "k", "deep": inner}, deep),
)
types = st.sampled_from(["probe.counted", "probe.pair", "probe.unhandled", "nobody.knows"])


def fields(named):
    return st.fixed_dictionaries(
        {},
        optional={
            name: st.one_of(usual, values) if usual is not None else values
            for name, usual in named.items()
        },
    )


plain = fields(
    {
        "type": types,
        "store": st.sampled_from(["S1", "S2", "店"]),
        "source": st.just("till"),
        "event_id": st.sampled_from(["1", "2", "3"]),
        "payload": payloads,
        "occurred_at": st.datetimes().map(str),
        "priority": st.integers(0, 11),
        "queue": st.sampled_from(["default", "nowhere"]),
        "backfill": st.booleans(),
        "idempotency_key": st.sampled_from(["1", "2"]),
        "traceparent": None,
        "tracestate": None,
    }
)
cloudevents = fields(
    {
        "specversion": st.just("1.0"),
        "type": types,
        "store": st.just("S1"),
        "source": st.just("till"),
        "id": st.sampled_from(["1", "2", "3"]),
        "data": payloads,
        "data_base64": st.sampled_from(["e30=", "e", "////"]),
        "datacontenttype": st.sampled_from(["application/json", "text/xml"]),
        "time": st.datetimes().map(str),
    }
)
valid = st.builds(
    lambda **event: {"store": "S1", "source": "till", **event},
    type=types,
    event_id=st.sampled_from(["1", "2", "3"]),
    payload=st.builds(lambda more: {**more, "key": "k"}, st.dictionaries(texts, values)),
)
events = st.one_of(plain, cloudevents, valid, values)


@st.composite
def bodies(draw):
    event = draw(events)
    try:
        raw = json.dumps(event, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    except RecursionError:
        raw = b"[" * 2000 + b"]" * 2000
    if draw(st.integers(0, 9)) == 0:  # damaged
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at + draw(st.integers(0, 3)) :]
    return raw


hostile = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
headers = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
        for name in ("Idempotency-Key", "traceparent", "tracestate", "ce-id", "ce-specversion")
    },
)


@pytest.fixture
def send(client, fake_broker):
    client.raise_request_exception = True
    _, key = keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)

    def post(path, raw, content_type, more=None):
        """Posts; the client would send no media type with an empty body."""
        return client.post(
            f"/api/v1{path}",
            raw or b" ",
            content_type=content_type,
            headers={"X-Api-Key": key, **(more or {})},
        )

    return post


def expect_whole_events():
    """Each event has a run for each of its handlers, and each run an event."""
    handlers = {"probe.counted": 1, "probe.pair": 2, "probe.unhandled": 0}
    for event in NeuralEvent.objects.all():
        assert event.runs.count() == handlers[event.type]
    assert not TaskRun.objects.filter(event=None).exists()


@hostile
@given(
    raw=bodies(),
    content_type=st.sampled_from(["application/json", "application/cloudevents+json"]),
    more=headers,
)
def test_one_event_is_answered_by_what_is_wrong_with_it(send, raw, content_type, more):
    before = NeuralEvent.objects.count()
    response = send("/events", raw, content_type, more)

    assert response.status_code in ANSWERS
    assert NeuralEvent.objects.count() == before + (response.status_code == 202)
    if response.status_code not in (200, 202):
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
    expect_whole_events()


@hostile
@given(raws=st.lists(bodies(), min_size=1, max_size=5), is_list=st.booleans())
def test_each_event_of_a_batch_has_one_answer(send, raws, is_list):
    before = NeuralEvent.objects.count()
    body = b"[%s]" % b",".join(raws) if is_list else b"\n".join(raws)
    response = send(
        "/events/batch", body, "application/json" if is_list else "application/x-ndjson"
    )

    assert response.status_code in {200, 400}
    if response.status_code == 200:
        *each, last = map(json.loads, response.getvalue().splitlines())
        assert {"summary", "problem"} & last.keys()
        assert {answer["status"] for answer in each} <= ANSWERS
        new = [answer for answer in each if answer["status"] == 202]
        assert NeuralEvent.objects.count() == before + len(new)
    expect_whole_events()
