"""Rules about queues: what waits too long, stands still, is read by nobody, is not published."""

import datetime as dt

import pytest

from neural.health.findings import Status
from neural.kit.conf import conf
from neural.models import QueuePause, RunState
from neural.monitoring.alerts.rules import UNKNOWN
from neural.monitoring.alerts.rules.queues import (
    NO_WORKER,
    OLDEST_DUE,
    RELAY_BEHIND,
    STALLED_QUEUE,
)
from neural.monitoring.models import AlertRule
from tests.unit.admin import admin_world as world
from tests.unit.monitoring.alert_rules import NOON, Figures, after, finding, found, judged, view

pytestmark = pytest.mark.django_db


@pytest.fixture
def figures(monkeypatch):
    return Figures(monkeypatch)


def paused(queue="default", *, until=None):
    QueuePause.objects.create(queue=queue, reason="cleaning", paused_by="lee", until=until)


def waits(queue, seconds, *, read=True, **more):
    return view(waiting=[(queue, 3, seconds)], readers=[queue] if read else [], **more)


# Oldest due


@pytest.mark.parametrize(
    ("queue", "seconds", "severity"),
    [
        ("high_priority", 10, None),
        ("high_priority", 10.1, "warning"),
        ("high_priority", 60, "warning"),
        ("high_priority", 60.1, "critical"),
        ("default", 300, None),
        ("default", 301, "warning"),
        ("default", 601, "critical"),
        ("of_my_own", 301, "warning"),
        ("low_priority", 24 * 3600, None),
        ("low_priority", 24 * 3600 + 1, "warning"),
        ("low_priority", 48 * 3600 + 1, "critical"),
    ],
)
def test_each_queue_has_its_own_limit(queue, seconds, severity):
    assert found(OLDEST_DUE, waits(queue, seconds)) == ({queue: severity} if severity else {})


def test_a_threshold_of_the_admin_outranks_the_settings(settings):
    settings.NEURAL = {**settings.NEURAL, "alert_oldest_due_seconds": 100}
    assert found(OLDEST_DUE, waits("default", 150)) == {"default": "warning"}
    AlertRule.objects.create(name="oldest_due", thresholds={"oldest_due_seconds": 200})
    assert found(OLDEST_DUE, waits("default", 150)) == {}


def test_an_old_run_says_nothing_while_the_broker_is_down():
    seen = view(finding("broker"), waiting=[("default", 3, 9999)], readers=["default"])
    assert judged(OLDEST_DUE, seen) is UNKNOWN


def test_an_old_run_of_a_paused_queue_is_meant_to_be_old():
    paused()
    judgement = judged(OLDEST_DUE, waits("default", 9999))
    assert not judgement.conditions
    assert judgement.knows("default")


def test_a_pause_that_has_ended_mutes_nothing():
    paused(until=NOON - dt.timedelta(seconds=1))
    assert found(OLDEST_DUE, waits("default", 9999)) == {"default": "critical"}


def test_an_old_run_of_a_queue_that_nobody_reads_is_told_by_the_other_alert_alone():
    seen = waits("default", 9999, read=False)
    judgement = judged(OLDEST_DUE, seen)
    assert not judgement.conditions
    assert not judgement.knows("default")
    assert judgement.knows("other")
    assert found(NO_WORKER, seen) == {"default": "critical"}


# Stalled


def test_a_queue_stands_still_if_it_is_late_and_nothing_has_moved(figures):
    assert found(STALLED_QUEUE, waits("default", 301)) == {"default": "critical"}
    assert found(STALLED_QUEUE, waits("default", 300)) == {}
    assert found(STALLED_QUEUE, waits("high_priority", 50)) == {}
    assert found(STALLED_QUEUE, waits("high_priority", 61)) == {"high_priority": "critical"}


def test_a_queue_whose_runs_end_does_not_stand_still(figures):
    figures.counted(after(-100), succeeded=1)
    assert found(STALLED_QUEUE, waits("default", 301)) == {}


def test_what_ended_long_ago_or_in_another_queue_does_not_count(figures):
    figures.counted(after(-300), succeeded=1)
    figures.counted(after(-30), queue="other", succeeded=1)
    assert found(STALLED_QUEUE, waits("default", 301)) == {"default": "critical"}


def test_a_queue_one_of_whose_runs_has_just_started_does_not_stand_still(figures):
    world.run(RunState.RUNNING, started_at=after(-59))
    assert found(STALLED_QUEUE, waits("default", 301)) == {}


def test_a_queue_whose_only_run_started_long_ago_stands_still(figures):
    world.run(RunState.RUNNING, started_at=after(-61))
    assert found(STALLED_QUEUE, waits("default", 301)) == {"default": "critical"}


def test_whether_a_queue_stands_still_is_unknown_without_figures_or_broker(figures):
    broken = view(finding("broker"), waiting=[("default", 3, 9999)], readers=["default"])
    assert judged(STALLED_QUEUE, broken) is UNKNOWN
    figures.until = after(-600)
    assert judged(STALLED_QUEUE, waits("default", 9999)) is UNKNOWN
    figures.until = None
    assert judged(STALLED_QUEUE, waits("default", 9999)) is UNKNOWN


def test_a_queue_that_is_paused_or_unread_does_not_stand_still(figures):
    assert found(STALLED_QUEUE, waits("default", 9999, read=False)) == {}
    paused()
    assert found(STALLED_QUEUE, waits("default", 9999)) == {}


# No worker


def test_due_runs_that_nobody_reads_are_an_alert_after_half_a_minute():
    assert found(NO_WORKER, waits("default", 30, read=False)) == {}
    assert found(NO_WORKER, waits("default", 31, read=False)) == {"default": "critical"}
    assert found(NO_WORKER, waits("default", 31)) == {}


def test_nobody_needs_to_read_a_paused_queue():
    paused()
    assert found(NO_WORKER, waits("default", 9999, read=False)) == {}


def test_a_missing_worker_is_told_with_the_broker_down_too():
    seen = view(finding("broker"), waiting=[("default", 3, 31)])
    assert found(NO_WORKER, seen) == {"default": "critical"}


# The relay


@pytest.mark.parametrize(
    ("seconds", "severity"), [(30, None), (31, "warning"), (120, "warning"), (121, "critical")]
)
def test_the_relay_is_behind_if_a_message_waits_for_long(seconds, severity):
    world.run(publish_at=after(-seconds))
    assert found(RELAY_BEHIND, view()) == ({"default": severity} if severity else {})


def test_what_is_published_or_not_due_yet_does_not_wait_for_the_relay():
    world.run(publish_at=after(60))
    world.run(RunState.RUNNING, task_id="t2", publish_at=after(-999))
    assert found(RELAY_BEHIND, view()) == {}


def test_the_relay_is_not_behind_if_the_queue_has_enough_messages_or_is_paused():
    world.run(publish_at=after(-999))
    assert found(RELAY_BEHIND, view(messages={"default": conf().queue_depth_limit})) == {}
    paused()
    assert found(RELAY_BEHIND, view()) == {}


def test_whether_the_relay_is_behind_is_unknown_while_the_broker_is_down():
    world.run(publish_at=after(-999))
    assert judged(RELAY_BEHIND, view(error="refused")) is UNKNOWN
    assert judged(RELAY_BEHIND, view(finding("broker", Status.PROBLEM))) is UNKNOWN
