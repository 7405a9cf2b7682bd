"""Traces: from the submitter's `traceparent` through the run to its handler."""

import subprocess
import sys

import pytest

import neural
from neural.ledger import ports
from neural.ledger.record import enqueue
from neural.models import TaskRun
from neural.monitoring.machines.traces import OpenTelemetry
from tests.unit.ledger.test_together import BATCHABLE, take

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)

pytestmark = pytest.mark.django_db

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
EVENT = {"type": "inventory.updated", "store": "S01", "source": "pos"}


@pytest.fixture
def spans(monkeypatch):
    """What the process's provider exports."""
    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(ports, "tracing", (OpenTelemetry(),))
    return lambda kind: [s for s in exporter.get_finished_spans() if s.kind.name == kind]


def submit(number: int = 1, **fields):
    payload = {"item": f"flour {number}", "level": 3}
    return neural.submit(**EVENT, event_id=str(number), payload=payload, **fields)


def kept(run: TaskRun) -> str:
    return run.options["headers"]["traceparent"]


def test_submitting_makes_a_producers_span_in_the_submitters_trace(spans):
    submit(traceparent=GIVEN)

    (span,) = spans("PRODUCER")
    assert span.name == "send inventory.updated"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert span.attributes["messaging.system"] == "neural"
    assert span.attributes["messaging.operation.name"] == "send"
    assert {kept(run) for run in TaskRun.objects.all()} == {
        f"00-{TRACE}-{span.context.span_id:016x}-01"
    }


def test_a_run_is_a_consumers_span_whose_parent_is_what_submitted_it(spans):
    submit(traceparent=GIVEN)
    neural.run_due()

    (produced,) = spans("PRODUCER")
    consumed = spans("CONSUMER")
    assert consumed
    for span in consumed:
        assert f"{span.context.trace_id:032x}" == TRACE
        assert span.parent.span_id == produced.context.span_id
        run = TaskRun.objects.get(task_id=span.attributes["messaging.message.id"])
        assert span.name == f"process {run.work_name}"
        assert span.attributes["messaging.destination.name"] == run.work_name
        assert span.attributes["neural.queue"] == run.queue
        assert span.attributes["neural.attempt"] == 1
        assert span.status.is_ok or span.status.is_unset


def test_without_a_traceparent_the_current_span_is_the_parent(spans):
    tracer = trace.get_tracer_provider().get_tracer("test")
    with tracer.start_as_current_span("the caller") as caller:
        submit()

    (span,) = spans("PRODUCER")
    assert span.parent.span_id == caller.get_span_context().span_id


def test_what_a_handler_records_belongs_to_the_same_trace(spans, monkeypatch):
    submit(traceparent=GIVEN)
    neural.run_due()

    within = {f"{span.context.trace_id:032x}" for span in spans("CONSUMER")}
    assert within == {TRACE}


def test_a_task_is_traced_like_an_event(spans):
    run = _enqueue(headers={"traceparent": GIVEN, "mine": "kept"})

    (span,) = spans("PRODUCER")
    assert span.name == "send app.tasks.count"
    assert kept(run) == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert run.options["headers"]["mine"] == "kept"


@pytest.mark.parametrize("bad", ["garbage", 7, None, f"00-{'0' * 32}-{PARENT}-01"])
def test_an_invalid_traceparent_of_a_task_begins_a_new_trace(spans, bad):
    run = _enqueue(headers={"traceparent": bad})

    (span,) = spans("PRODUCER")
    assert span.parent is None
    assert kept(run)[:-2] == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"


def _enqueue(**options) -> TaskRun:
    return enqueue(
        task="app.tasks.count", args=[], kwargs={}, queue="default", priority=5, options=options
    )


def test_a_failed_attempt_names_the_errors_type_and_none_of_its_values(spans):
    run = TaskRun(task="app.tasks.count", task_id="1", queue="default")

    with pytest.raises(KeyError), ports.processing([run]):
        raise KeyError("a guest's phone")

    (span,) = spans("CONSUMER")
    assert span.attributes["error.type"] == "KeyError"
    assert span.status.status_code.name == "ERROR"
    assert "phone" not in span.to_json()


def test_a_run_that_snoozes_has_not_failed(spans):
    run = TaskRun(task="app.tasks.count", task_id="1", queue="default")

    with pytest.raises(neural.Snooze), ports.processing([run]):
        raise neural.Snooze(5)

    (span,) = spans("CONSUMER")
    assert "error.type" not in span.attributes


def test_a_batch_is_one_span_with_a_link_to_each_run(spans):
    runs = [
        TaskRun(task="t", task_id=str(n), queue="default", options={"headers": {"traceparent": n}})
        for n in (GIVEN, GIVEN.replace("00f0", "11f0"), "garbage")
    ]

    with ports.processing(runs):
        pass

    (span,) = spans("CONSUMER")
    assert [f"{link.context.span_id:016x}" for link in span.links] == [
        PARENT,
        PARENT.replace("00f0", "11f0"),
    ]
    assert span.attributes["messaging.batch.message_count"] == 3
    assert span.parent is None


def test_one_call_of_a_batch_handler_is_one_span(spans):
    def count(task_ids: list[str]) -> None:
        """Its work."""

    take(count)

    (span,) = spans("CONSUMER")
    assert span.attributes["messaging.batch.message_count"] == 4
    assert span.name == f"process {BATCHABLE}"


def test_when_a_batch_is_taken_apart_each_run_has_its_own_span(spans):
    def fail(task_ids: list[str]) -> None:
        if "c" in task_ids:
            raise ValueError("a guest's phone")

    take(fail)

    batch, *alone = spans("CONSUMER")
    assert batch.attributes["error.type"] == "ValueError"
    errors = {s.attributes["messaging.message.id"]: s.attributes.get("error.type") for s in alone}
    assert errors == {"a": None, "b": None, "c": "ValueError", "d": None}


def test_an_exporter_that_fails_does_not_fail_the_work(spans, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("no disk")

    monkeypatch.setattr(sdk.Span, "end", fail)
    done = []

    with ports.processing([TaskRun(task="t", task_id="1", queue="default")]):
        done.append(1)

    assert done == [1]
    assert "event=span_failed" in caplog.text


def test_without_a_provider_the_submitters_trace_is_kept_as_it_came(monkeypatch):
    monkeypatch.setattr(ports, "tracing", (OpenTelemetry(),))

    submit(traceparent=GIVEN)

    assert {kept(run) for run in TaskRun.objects.all()} == {GIVEN}
    neural.run_due()


def test_without_its_packages_nothing_is_connected_or_loaded():
    code = """
from importlib import metadata
found = metadata.distribution
def distribution(name):
    if name in ("opentelemetry-api", "sentry-sdk"):
        raise metadata.PackageNotFoundError(name)
    return found(name)
metadata.distribution = distribution
import django; django.setup()
from neural.ledger import ports
assert ports.tracing == ()
"""
    started = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert started.returncode == 0, started.stderr


def test_a_process_without_a_scrape_loads_no_library_for_it():
    """(redis-py itself loads OpenTelemetry where that is installed.)"""
    code = """
import sys, django; django.setup()
assert not {"prometheus_client", "sentry_sdk"} & sys.modules.keys()
"""
    started = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert started.returncode == 0, started.stderr
