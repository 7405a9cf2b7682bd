"""One truth about a queue: every page, metric, probe and rule tells the same of it."""

import json
import re
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.serializers.json import DjangoJSONEncoder

from neural.health import workers
from neural.health.broker import BrokerFacts
from neural.health.situation import Situation
from neural.kit import thresholds
from neural.models import QueuePause, TaskRun
from neural.monitoring.console.verdict import watched
from neural.monitoring.examining import facts
from neural.monitoring.examining.duty import examination, take_lease
from neural.monitoring.machines import gauges
from neural.monitoring.models import Alert
from neural.queues import QUEUES
from neural.queues import state as room
from neural.queues.state import (
    COUNTED,
    NO_LIMITS,
    QueueState,
    pending_queues,
    queue_states,
    wait_limits,
)
from tests.unit.admin import admin_world as world
from tests.unit.factories import ago, make_run, make_worker

PAGE = "/admin/neural/queuepause/"
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


def examine_all():
    assert take_lease(0.000001)
    for _ in examination():
        pass
    cache.clear()  # the home is kept for some seconds


def seen_of(queue, client):
    """What each says of how long a queue's runs wait: the probe, the alert, the page, the home."""
    examine_all()
    tables = [client.get(address).content.decode() for address in (PAGE, "/admin/")]
    alerts = Alert.objects.open().filter(rule="oldest_due", subject=queue)
    return (
        str(workers.backlog(Situation()).status),
        *alerts.values_list("severity", flat=True),
        *("falling behind" in each for each in tables),
    )


def test_an_edited_threshold_changes_what_doctor_the_alert_the_page_and_the_home_say(monkeypatch):
    monkeypatch.setattr(facts, "ask_broker", lambda **_: BrokerFacts(address="redis://"))
    make_worker("w@host")
    make_run(available_at=ago(minutes=7))
    client = world.superuser()
    assert seen_of("default", client) == ("warning", "warning", True, True)
    assert "limit 10 s" in client.get("/admin/").content.decode()

    rule = "/admin/neural_monitoring/alertrule/oldest_due/change/"
    edited = {"threshold_oldest_due_seconds": 30, "threshold_oldest_due_critical_seconds": 60}
    edited["threshold_oldest_due_urgent_seconds"] = 25
    assert client.post(rule, {"enabled": "on", **edited}).status_code == 302
    assert seen_of("default", client) == ("problem", "critical", True, True)
    assert "limit 25 s" in client.get("/admin/").content.decode()

    edited = {"threshold_oldest_due_seconds": 3600, "threshold_oldest_due_critical_seconds": 7200}
    assert client.post(rule, {"enabled": "on", **edited}).status_code == 302
    assert seen_of("default", client) == ("ok", False, False)


def test_without_an_app_that_keeps_thresholds_the_usual_ones_stand(monkeypatch):
    monkeypatch.setattr(thresholds, "_ask", lambda rule: thresholds.USUAL)

    limits = [wait_limits()(queue) for queue in (*QUEUES, "of_my_own")]

    assert limits == [(10, 60), (300, 600), (24 * 3600, 48 * 3600), (300, 600)]


def test_metrics_doctor_the_page_and_the_home_tell_the_same_of_a_queue():
    make_worker("w@host")
    for minutes in (10, 20):
        make_run(available_at=ago(minutes=minutes))
    examine_all()

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
        found = QueueState.from_json("default", kept, NO_LIMITS)
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


def test_all_queues_cost_a_statement_each_and_three_more(django_assert_num_queries):
    for queue in QUEUES:
        make_run(queue=queue, available_at=ago(minutes=1))
    now = Situation().now

    with django_assert_num_queries(len(QUEUES) + 3):
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
