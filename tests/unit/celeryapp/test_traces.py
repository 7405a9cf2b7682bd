"""The trace context of W3C: kept with an event's runs, and in their messages."""

import pytest

import neural
from neural.broker.message import next_message
from neural.events.new_event import trace_headers
from neural.ledger.claim import Claimant, claim
from neural.models import TaskRun

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(event_id="1", **changes):
    fields = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": event_id}
    return {**fields, "payload": {"key": f"k{event_id}"}, **changes}


@pytest.mark.parametrize(
    "traceparent",
    [
        *(None, 5, "", "nonsense", PARENT.upper(), PARENT + "-more", PARENT[:-1]),
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    ],
)
def test_an_invalid_traceparent_is_ignored(traceparent):
    assert trace_headers(traceparent, "vendor=1") == {}


def test_a_valid_one_is_kept_with_its_state_and_a_later_version_as_far_as_it_is_known():
    assert trace_headers(PARENT) == {"traceparent": PARENT}
    assert trace_headers("cc" + PARENT[2:] + "-later") == {"traceparent": PARENT}
    assert trace_headers(PARENT, "vendor=1")["tracestate"] == "vendor=1"
    assert "tracestate" not in trace_headers(PARENT, "x" * 513)
    assert "tracestate" not in trace_headers(PARENT, "\n")


@pytest.mark.django_db
def test_a_trace_is_a_header_of_every_run_and_of_its_messages(fake_broker):
    neural.submit(**event(type="probe.pair", traceparent=PARENT, tracestate="vendor=1"))

    kept = {"headers": {"traceparent": PARENT, "tracestate": "vendor=1"}}
    assert [run.options for run in TaskRun.objects.all()] == [kept, kept]
    (message,) = next_message("default", ["probe.left"])
    assert message.options["headers"]["traceparent"] == PARENT


@pytest.mark.django_db
def test_runs_with_traces_are_claimed_in_one_batch(fake_broker):
    other = PARENT.replace("b7ad", "c7ad")
    neural.submit(**event("1", traceparent=PARENT))
    neural.submit(**event("2", traceparent=other))
    neural.submit(**event("3"))
    first, second, third = TaskRun.objects.order_by("pk")

    claimed = claim(
        task_id=first.task_id,
        claimant=Claimant(),
        queue=first.queue,
        batchable=[first.handler],
        limit=10,
    )

    traces = {run.task_id: run.options.get("headers", {}).get("traceparent") for run in claimed}
    assert traces == {first.task_id: PARENT, second.task_id: other, third.task_id: None}


@pytest.mark.django_db
def test_a_handler_reads_the_trace_of_its_run(fake_broker, monkeypatch):
    seen = []

    def act(data):
        headers = neural.current_run().options["headers"]
        seen.append((data.key, headers["traceparent"]))

    monkeypatch.setattr("tests.probe.neural_handlers.act", act)
    other = PARENT.replace("b7ad", "c7ad")
    neural.submit(**event("1", traceparent=PARENT))
    neural.submit(**event("2", traceparent=other))

    neural.run_due()

    assert seen == [("k1", PARENT), ("k2", other)]
