"""Alerts through a real worker: its processes send them, or its relay if the broker is down."""

import os
import signal
import threading

import pytest
from django.db import transaction

from neural.models import RunState, TaskRun
from neural.monitoring.models import Alert, AlertMessage, AlertMessageState
from tests.integration.submitting import submit
from tests.unit.hooks.receiving import answering, receiver
from tests.unit.monitoring.alerting import TAKEN, alert, channel, only, told
from tests.watching import wait_until

pytestmark = pytest.mark.integration

NEAR = {"outbound_private_addresses": True, "alert_relay_after_seconds": 1}
# After half a minute an examination would tell of the test's own alert, too.
ALOOF = {"examine_seconds": 3600}
QUICK = {"republish_seconds": 1, "republish_lease_seconds": 2}


@pytest.fixture(autouse=True)
def _quick(cluster, settings):
    """What this process submits is published again soon."""
    settings.NEURAL = {**settings.NEURAL, **QUICK}


@pytest.fixture
def group():
    """The robot of a chat group."""
    with receiver() as running:
        running.answers += [answering(200, TAKEN["dingtalk"])] * 9
        yield running


def is_sent(**which):
    return AlertMessage.objects.filter(state=AlertMessageState.SENT, **which).exists()


def test_an_alert_reaches_its_channel_through_a_worker(cluster, group):
    channel("dingtalk", group.url(""))
    cluster.worker(outbound_private_addresses=True, **ALOOF)
    told(alert())
    wait_until(is_sent, 60)
    assert len(group.got) == 1
    wait_until(lambda: TaskRun.objects.get().state == RunState.SUCCEEDED, 30)


def test_what_a_relay_finds_reaches_people(cluster, group):
    """From an examination through a rule and a message to the robot, and its end, too."""
    channel("dingtalk", group.url(""), language="zh-hans")
    soon = {"examine_seconds": 0.5, "alert_group_wait_seconds": 0, "alert_message_seconds": 1}
    looks = {**soon, "alert_no_worker_seconds": 1, "alert_queue": "high_priority"}
    cluster.worker(queues="high_priority", **NEAR, **QUICK, **looks)
    submit("unread")
    # On a busy machine an examination may find something else for a moment, and tell of it.
    wait_until(lambda: is_sent(rule="no_worker"), 60)
    told_of = [got.body.decode() for got in group.got]
    assert sum("队列没有工作进程读取：default" in text for text in told_of) == 1
    alert = Alert.objects.open().get(rule="no_worker")
    assert (alert.subject, alert.told_at is not None) == ("default", True)


def test_a_broker_that_is_down_is_told_all_the_same_and_once(cluster, group):
    channel("dingtalk", group.url(""))
    worker = cluster.worker(**NEAR, **QUICK, **ALOOF)
    cluster.broker.stop()

    told(alert(rule="broker", subject=""))
    wait_until(is_sent, 60)
    assert only().attempts == 1
    assert TaskRun.objects.get().state == RunState.PENDING

    cluster.broker.start()
    wait_until(lambda: TaskRun.objects.get().state == RunState.SUCCEEDED, 60)
    assert len(group.got) == 1
    assert worker.is_running


def test_a_process_that_is_forked_while_the_relay_sends_works(cluster, group):
    """The child shares nothing with the thread that sends."""
    go_on, arrived = threading.Event(), threading.Event()

    def slowly(handler):
        arrived.set()
        go_on.wait(3)
        answering(200, TAKEN["dingtalk"])(handler)

    group.answers.insert(0, slowly)
    channel("dingtalk", group.url(""))
    worker = cluster.worker(**NEAR, **QUICK, **ALOOF)
    with transaction.atomic():  # no run will send it
        told(alert())
        TaskRun.objects.all().delete()
    assert arrived.wait(60)
    before = worker.children()
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: worker.children() - before, 30)
    go_on.set()
    wait_until(is_sent, 60)

    submit("after")
    wait_until(lambda: TaskRun.objects.filter(state=RunState.SUCCEEDED).exists(), 60)
    assert worker.is_running
    # One, unless the answer came too late on a busy machine.
    assert len(group.got) == only().attempts
