"""One truth about a queue: every page, metric, probe and rule tells the same of it."""

import json
import re
from pathlib import Path

import pytest
from django.core.serializers.json import DjangoJSONEncoder

from neural.health import workers
from neural.health.situation import Situation
from neural.models import QueuePause, TaskRun
from neural.monitoring.console.verdict import watched
from neural.monitoring.examining.duty import examination, take_lease
from neural.monitoring.machines import gauges
from neural.queues import QUEUES
from neural.queues import state as room
from neural.queues.state import COUNTED, QueueState, pending_queues, queue_states
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_run, make_worker

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.django_db


def figures_of(queue):
    """What the gauges tell of a queue, by name."""
    return {
        family.name: sample.value
        for family in gauges.collect()
        for sample in family.samples
        if sample.labels.get("queue") == queue
    }


def test_metrics_doctor_the_page_and_the_home_tell_the_same_of_a_queue():
    make_worker("w@host")
    for minutes in (10, 20):
        make_run(available_at=ago(minutes=minutes))
    assert take_lease(60)
    for _ in examination():
        pass

    state = Situation().queues["default"]
    metrics = figures_of("default")
    page = world.superuser().get("/admin/neural/queuepause/")
    kept = watched().queues["default"]

    assert (state.due, state.readers) == (2, 1)
    assert metrics["neural_runs_due"] == kept.due == state.due
    assert metrics["neural_queue_readers"] == kept.readers == state.readers
    of_page = next(row["facts"] for row in page.context["rows"] if row["facts"].name == "default")
    seconds = metrics["neural_queue_oldest_due_seconds"]
    for other in (state, kept, of_page):
        assert other.oldest_seconds == pytest.approx(seconds, abs=30)
    assert "default: 2 due runs, the oldest for 20 min" in workers.backlog(Situation()).found


def test_a_state_that_is_kept_as_json_is_read_back_as_it_was():
    paused = QueuePause(queue="default", paused_by="lee", reason="repairs", until=ago(hours=-1))
    states = [
        QueueState(name="default"),
        QueueState(name="default", due=COUNTED, oldest_seconds=7.5, readers=2, pause=paused),
    ]

    for state in states:
        kept = json.loads(json.dumps(state.as_json(), cls=DjangoJSONEncoder))
        found = QueueState.from_json("default", kept)
        assert found == state
        assert found.as_json().keys() == kept.keys()
    assert abs(found.pause.until - paused.until).total_seconds() < 0.001
    assert (found.pause.paused_by, found.pause.reason) == ("lee", "repairs")


def test_queues_are_those_of_the_project_and_others_in_use():
    make_worker(queues=["kitchen"])
    make_run(queue="orders", available_at=ago(minutes=1))
    make_run(queue="later", available_at=ago(minutes=-1))
    QueuePause.objects.create(queue="kitchen", reason="moving", paused_by="lee")

    situation = Situation()

    assert list(situation.queues) == [*QUEUES, "kitchen", "orders"]
    assert list(situation.waiting) == ["orders"]
    assert list(situation.pauses) == ["kitchen"]
    assert pending_queues() == ["later", "orders"]


def test_all_queues_cost_a_statement_each_and_two_more(django_assert_num_queries):
    for queue in QUEUES:
        make_run(queue=queue, available_at=ago(minutes=1))
    now = Situation().now

    with django_assert_num_queries(len(QUEUES) + 2):
        found = queue_states(now=now, pending=pending_queues(), readers={})

    assert [each.due for each in found.values()] == [1, 1, 1]


def test_of_a_queue_that_was_not_counted_to_its_end_the_oldest_run_is_found(monkeypatch):
    monkeypatch.setattr(room, "COUNTED", 2)
    for minutes, priority in ((1, 9), (2, 9), (60, 1)):
        make_run(available_at=ago(minutes=minutes), priority=priority)
    TaskRun.objects.create(task="a", task_id="later", queue="default", available_at=ago(minutes=-9))

    state = Situation().queues["default"]

    assert (state.due, state.is_more) == (2, True)
    assert state.oldest_seconds == pytest.approx(3600, abs=30)


def test_only_this_room_finds_the_oldest_due_run():
    pattern = re.compile(r"Min\(\"available_at\"\)|MIN\(available_at\)|ORDER BY available_at")
    places = [path for path in (ROOT / "neural").rglob("*.py") if pattern.search(path.read_text())]

    assert [path.relative_to(ROOT).as_posix() for path in places] == ["neural/queues/state.py"]
