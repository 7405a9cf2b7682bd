"""Whatever a message holds, it stops no worker, and what comes behind it is done."""

import json
import signal
import subprocess
import sys

import pytest
from django.db.models import Q

from neural.models import RunState, TaskRun, TaskTry
from tests import forged
from tests.integration.cluster import ROOT, client, expect_once
from tests.integration.rabbitmq import RabbitMQ
from tests.probe.models import Effect
from tests.watching import wait_until
from zhilian.tether import tethered

pytestmark = pytest.mark.integration


def push(cluster, *entries, queue="default"):
    with client(cluster.broker) as it:
        for each in entries:
            it.lpush(queue, forged.as_bytes(each))


def unacknowledged(cluster) -> int:
    with client(cluster.broker) as it:
        return it.hlen("unacked")


def letter_of(name: str) -> TaskRun | None:
    """The dead letter of a forged message: by its id, its place in the error or its arguments."""
    about = Q(task_id=f"forged {name}") | Q(kwargs__key=name)
    return TaskRun.objects.filter(about).exclude(state=RunState.SUCCEEDED).first()


def test_no_message_stops_a_worker_and_each_that_can_be_kept_is_a_dead_letter(cluster):
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("forged as entries of a list in Redis")
    worker = cluster.worker()
    cases = forged.LETTERS | forged.LOGGED | forged.PLAIN | forged.DONE
    sound = [f"sound {number}" for number in range(len(cases))]
    for key, (name, case) in zip(sound, cases.items(), strict=True):
        push(cluster, case(name), forged.entry(key))

    done = Effect.objects.filter(key__startswith="sound ")
    wait_until(lambda: done.count() == len(sound) or not worker.is_running, 120)
    assert worker.is_running, "a message has stopped the worker"
    wait_until(lambda: not unacknowledged(cluster) and not cluster.message_count(), 60)

    expect_once([*sound, *forged.DONE])
    dead = TaskRun.objects.dead().filter(task=forged.TASK)
    missing = [name for name in forged.LETTERS if letter_of(name) is None]
    assert dead.count() == len(forged.LETTERS), missing
    assert TaskTry.objects.filter(run__in=dead).count() == len(forged.LETTERS)
    assert not TaskRun.objects.exclude(state__in=(RunState.DEAD, RunState.SUCCEEDED)).exists()
    lines = [line for line in worker.text.splitlines() if "event=message_refused" in line]
    told_by_celery = {"task unknown", "plain, args a number"}
    assert len(lines) == len(cases) - len(forged.DONE) - len(told_by_celery)
    assert max(map(len, lines)) < 2000
    assert worker.stop() == 0
