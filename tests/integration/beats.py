"""Real beats that a test can start and kill, and schedules for them."""

import datetime as dt
import json
import subprocess
import sys
import time

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tests.integration.cluster import ROOT
from zhilian.supervision.die_with_parent import dying_with_parent


class Beat:
    """`celery beat` in a process of its own; what it writes goes to a file."""

    def __init__(self, cluster, **environment: str) -> None:
        self.log = cluster.directory / f"beat-{time.monotonic_ns()}.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                dying_with_parent(
                    [sys.executable, "-m", "celery", "--quiet", "-A", "zhilian", "beat"]
                ),
                cwd=ROOT,
                env=cluster.environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def has_read(self) -> bool:
        return "event=schedules_read" in self.text

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_beat(cluster):
    PeriodicTask.objects.all().delete()  # what migrations put there
    beats: list[Beat] = []

    def start(**environment: str) -> Beat:
        beats.append(Beat(cluster, **environment))
        return beats[-1]

    yield start
    for beat in beats:
        beat.kill()
        print(f"--- {beat.log.name} ---\n{beat.text[-3000:]}")


def every(seconds: int, name: str = "it", **fields) -> PeriodicTask:
    """A schedule that is due a second from now for the first time."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
    last_run_at = timezone.now() - dt.timedelta(seconds=seconds - 1)
    values = {"task": "probe.give_back", "args": json.dumps([name]), "last_run_at": last_run_at}
    return PeriodicTask.objects.create(name=name, interval=interval, **values | fields)
