"""What Celery's event stream hears of runs that were batched with another's message."""

from types import SimpleNamespace

import pytest
from django.utils import timezone

from neural.broker import publisher
from neural.ledger.outcome import Outcome
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.worker import delivery, request


def outcome(state: RunState, **fields) -> Outcome:
    run = TaskRun(task_id="run", task="probe.count")
    return Outcome(
        run=run, state=state, started_at=timezone.now(), finished_at=timezone.now(), **fields
    )


class Stream:
    """A publisher whose connection keeps what is sent."""

    def __init__(self, monkeypatch) -> None:
        self.sent: list[tuple[str, dict]] = []
        monkeypatch.setattr(delivery, "EventDispatcher", lambda *_, **__: self)
        monkeypatch.setattr(publisher, "_publisher", self)

    def lend(self, use):
        use(SimpleNamespace(connection=None, channel=None))

    def send(self, kind, **fields):
        self.sent.append((kind, fields))

    def flush(self, **_):
        pass


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (outcome(RunState.SUCCEEDED, value={"a": 1}), "task-succeeded"),
        (outcome(RunState.DEAD, error="ValueError: no"), "task-failed"),
        (outcome(RunState.PENDING, attempt_outcome=AttemptOutcome.FAILED), "task-retried"),
    ],
)
def test_each_outcome_has_its_event(monkeypatch, told, kind):
    stream = Stream(monkeypatch)

    delivery.send_events([told], hostname="all@here")

    [(sent, fields)] = stream.sent
    assert sent == kind
    assert fields["uuid"] == "run"
    assert fields["name"] == "probe.count"


def test_nothing_is_said_of_runs_that_wait_again(monkeypatch):
    stream = Stream(monkeypatch)

    delivery.send_events([outcome(RunState.PENDING)], hostname="all@here")

    assert stream.sent == []


def test_a_broker_that_is_away_is_no_failure(monkeypatch):
    class Away:
        def lend(self, use):
            raise publisher.BrokerUnavailable("gone")

    monkeypatch.setattr(publisher, "_publisher", Away())

    delivery.send_events([outcome(RunState.SUCCEEDED)], hostname="all@here")


@pytest.mark.parametrize(
    ("eventer", "listened"),
    [
        (None, False),
        (SimpleNamespace(enabled=False, groups=set()), False),
        (SimpleNamespace(enabled=True, groups={"worker"}), False),
        (SimpleNamespace(enabled=True, groups={"worker", "task"}), True),
        (SimpleNamespace(enabled=True, groups=set()), True),
    ],
)
def test_a_worker_knows_whether_task_events_are_on(eventer, listened):
    """Flower and `celery control enable_events` add the group of tasks to that of workers."""
    assert request._sends_task_events(eventer) is listened
