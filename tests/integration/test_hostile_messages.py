"""Whatever a message holds, it stops no worker, and what comes behind it is done."""

import subprocess
import sys

import pytest

from neural.models import RunState, TaskAttempt, TaskRun
from tests import forged
from tests.integration.cluster import ROOT, client, expect_once
from tests.integration.rabbitmq import RabbitMQ
from tests.probe.models import Effect
from tests.watching import wait_until
from zhilian.supervision.die_with_parent import dying_with_parent

pytestmark = pytest.mark.integration

BROADCASTS = (b"5", b"{", b"[" * 2000, b'{"properties": null}', b'{"body": "x"}', b"\xff")


@pytest.fixture
def redis(cluster):
    if isinstance(cluster.broker, RabbitMQ):
        pytest.skip("forged as entries of a list in Redis")
    with client(cluster.broker) as it:
        yield it


def says(letter: TaskRun, name: str) -> bool:
    """Whether this is the dead letter of that forged message: by its id or by its arguments."""
    return letter.task_id == f"forged {name}" or name in str(letter.kwargs)


def test_no_message_stops_a_worker_and_each_that_can_be_kept_is_a_dead_letter(cluster, redis):
    worker = cluster.worker()
    for broadcast in BROADCASTS:
        redis.publish("/1.celery.pidbox", broadcast)
    cases = forged.LETTERS | forged.LOGGED | forged.PLAIN | forged.DONE
    sound = [f"sound {number}" for number in range(len(cases))]
    for key, (name, case) in zip(sound, cases.items(), strict=True):
        for each in (case(name), forged.entry(key)):
            redis.lpush("default", forged.as_bytes(each))

    done = Effect.objects.filter(key__startswith="sound ")
    wait_until(lambda: done.count() == len(sound) or not worker.is_running, 400)
    assert worker.is_running, "a message has stopped the worker"
    wait_until(lambda: not redis.hlen("unacked") and not cluster.message_count(), 120)

    expect_once([*sound, *forged.DONE])
    dead = TaskRun.objects.dead().filter(task=forged.TASK)
    missing = [name for name in forged.LETTERS if not any(says(each, name) for each in dead)]
    assert dead.count() == len(forged.LETTERS), missing
    assert TaskAttempt.objects.filter(run__in=dead).count() == len(forged.LETTERS)
    assert TaskRun.objects.dead().filter(task="no.such.task").count() == 1
    assert not TaskRun.objects.exclude(state__in=(RunState.DEAD, RunState.SUCCEEDED)).exists()
    lines = [line for line in worker.text.splitlines() if "event=message_refused" in line]
    told_by_celery = {"plain, args a number"}
    assert len(lines) == len(cases) - len(forged.DONE) - len(told_by_celery)
    assert max(map(len, lines)) < 2000
    assert worker.stop() == 0


BROKEN_WORKER = """
from celery.worker.consumer import Consumer
from django.core.management import execute_from_command_line

def break_(*_):
    raise RuntimeError("a fault of the worker's own")

Consumer.create_task_handler = break_
execute_from_command_line(["manage.py", "worker", "--name", "broken"])
"""


@pytest.mark.faults
def test_a_worker_that_ends_unasked_says_so_by_its_code(cluster):
    with (cluster.directory / "broken.log").open("wb") as log:
        command = dying_with_parent([sys.executable, "-c", BROKEN_WORKER])
        ended = subprocess.run(
            command, cwd=ROOT, env=cluster.environment(), stdout=log, stderr=log, timeout=300
        )

    assert "a fault of the worker's own" in (cluster.directory / "broken.log").read_text()
    assert ended.returncode not in (0, None)
