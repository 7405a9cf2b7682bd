"""The processes of a chaos run: workers that are started again, submitters, a broker."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter as Multiset
from contextlib import suppress
from pathlib import Path

from django.db import connection

from neural.api import keys
from neural.api.models import Scope
from neural.models import TaskRun
from neural.queues import LOW_PRIORITY_QUEUE
from neural.tasks import process_neural_event
from tests.integration.beats import Beat
from tests.integration.cluster import ROOT, Cluster, Worker
from tests.integration.web import Web
from tests.unit.retrieval.searching import EMBEDDER
from tests.unit.runs import bulk_world
from zhilian.supervision.die_with_parent import dying_with_parent

SUBMITTERS = 2
WORKERS = 2
"""Beside one for coroutines, which reads the low queue alone: what misbehaves would end it."""
OLD_SHARE = 0.3
"""Of the workers that are started, as in a rolling upgrade that takes its time."""
WRONG_SHARE = 0.2
"""Of them, whose host's clock is ten minutes ahead or behind."""
LIBFAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
LIMITS = {
    "relay_seconds": 0.3,
    "republish_seconds": 2,
    "republish_lease_seconds": 3,
    "heartbeat_seconds": 0.5,
    # Far above what a busy machine makes a worker wait: only the dead shall be taken for it.
    "worker_lost_seconds": 6,
    "max_lost_deliveries": 50,  # random kills are no sign of poison
    "max_retries": 10,
    "publish_probe_seconds": 0.3,
    "retry_base_seconds": 0.3,
    "retry_cap_seconds": 2,
    "unknown_work_seconds": 600,  # the new workers may all be dead for a while
    "search": True,
    "embedder": EMBEDDER,
    "outbound_private_addresses": True,  # the receiver of webhooks is this process
}
FROZEN = 1.5, 3
"""For how long who holds a run is frozen, in units of ``worker_lost_seconds``."""
SLOW_SECONDS = 3


class Chaos:
    """What runs, and what was done to it."""

    def __init__(self, cluster: Cluster, dice: random.Random, seed: str) -> None:
        self.cluster = cluster
        self.dice = dice
        self.seed = seed
        self.done: Multiset[str] = Multiset()
        self.submitters: list[subprocess.Popen] = []
        self.started = 0
        self.told_to_stop: list[Worker] = []
        self.old: Worker | None = None
        """Its version knows nothing of the newest handlers and types."""
        self.asynchronous: Worker | None = None
        self.frozen: dict[Worker, float] = {}
        """Workers that were frozen at work, and until when."""
        self.settings = {**LIMITS, "vector_store_location": str(cluster.directory / "index")}
        self.operator = bulk_world.operator("chaos")
        self.key = keys.issue(name="chaos", scopes=[Scope.EVENTS_WRITE], stores=None)[1]
        self.web = Web(cluster.directory, broker_url=cluster.broker.url, workers=1, **self.settings)
        self.beat: Beat | None = None
        self.start_beat()

    def fill_up(self) -> None:
        """Start again what has ended, as a supervisor does; wake up who has slept enough."""
        self.thaw_who_is_due()
        self.start_workers()
        self.submitters = [each for each in self.submitters if each.poll() is None]
        while len(self.submitters) < SUBMITTERS:
            self._start_submitter()

    def start_workers(self, *, may_be_old: bool = True) -> None:
        """As many as there are to be. At most one of them is of an old version."""
        if self.asynchronous not in self.awake():
            self.asynchronous = self.cluster.start_worker(
                pool="async", queues=LOW_PRIORITY_QUEUE, **self.settings
            )
        for _ in range(WORKERS + 1 - len(self.awake())):
            is_old = may_be_old and self.old not in self.living() and self.dice.random() < OLD_SHARE
            environment = ({"PROBE_OLD": "1"} if is_old else {}) | self._clock()
            worker = self.cluster.start_worker(
                concurrency=2, environment=environment, **self.settings
            )
            self.old = worker if is_old else self.old

    def _clock(self) -> dict[str, str]:
        """Now and then a host's clock is wrong. On SQLite it would be the database's, too."""
        if connection.vendor == "sqlite" or not LIBFAKETIME or self.dice.random() > WRONG_SHARE:
            return {}
        self.done["start_a_worker_with_a_wrong_clock"] += 1
        return {
            "LD_PRELOAD": str(LIBFAKETIME[0]),
            "FAKETIME": self.dice.choice(("+10m", "-10m")),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def retire_the_old_worker(self) -> None:
        if self.old in self.living():
            self.old.stop()

    def living(self) -> list[Worker]:
        return [worker for worker in self.cluster.workers if worker.is_running]

    def awake(self) -> list[Worker]:
        return [worker for worker in self.living() if worker not in self.frozen]

    # Who is frozen at work

    def submit_a_slow_one(self) -> str:
        """A run of some seconds that is not batched with others; returns its task id.

        Atomic work has its transaction open meanwhile. On SQLite that is everybody's one lock, so
        there it works in two steps.
        """
        self.started += 1
        name = f"slow-{self.started}"
        is_atomic = connection.vendor != "sqlite" and self.dice.random() < 0.7
        kind, when = ("counted", "seconds_before") if is_atomic else ("two_step", "seconds")
        sent = process_neural_event.apply_async(
            kwargs={
                "event_id": name,
                "event_type": f"probe.{kind}",
                "event_source": "chaos",
                "store_id": "S1",
                "data": {"key": name, when: SLOW_SECONDS, "result": "process"},
            },
            time_limit=250,
        )
        return str(sent.id)

    def holder(self, task_id: str) -> Worker | None:
        """The worker that is at work on this run, if it can be frozen."""
        held = TaskRun.objects.running().filter(task_id=task_id)
        pid = held.values_list("worker__process_id", flat=True).first()
        mine = (worker for worker in self.awake() if worker not in self.told_to_stop)
        return next((worker for worker in mine if worker.pid == pid), None)

    def freeze_for_long(self, worker: Worker) -> None:
        """Until it has been given up, and its run has started elsewhere or is done."""
        worker.freeze()
        seconds = self.dice.uniform(*FROZEN) * float(str(LIMITS["worker_lost_seconds"]))
        self.frozen[worker] = time.monotonic() + seconds

    def thaw_who_is_due(self) -> None:
        for worker, until in list(self.frozen.items()):
            if time.monotonic() >= until:
                worker.thaw()
                del self.frozen[worker]

    # Other processes

    def start_beat(self) -> None:
        """Kill beat if it runs, and start it."""
        if self.beat is not None:
            self.beat.kill()
        self.beat = Beat(self.cluster)

    def _start_submitter(self) -> None:
        self.started += 1
        name = f"p{self.started}"
        path = self._accepted_by(name)
        command = [sys.executable, "-m", "tests.chaos.submitter", name, self.seed, str(path)]
        command += [str(self.web.port), self.key]
        with (self.cluster.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                dying_with_parent(command),
                cwd=ROOT,
                env=self.cluster.environment(**self.settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.submitters.append(process)

    def end(self) -> None:
        """Leave no process behind; workers are the cluster's to end."""
        self.stop_submitting()
        self.web.kill()
        if self.beat is not None:
            self.beat.kill()

    def stop_submitting(self) -> None:
        for process in self.submitters:
            process.kill()
            process.wait()

    def accepted(self) -> list[str]:
        """What submitters were told is recorded. A line cut off by a kill does not count."""
        texts = (path.read_text() for path in self.cluster.directory.glob("accepted-*"))
        return [line for text in texts for line in text.split("\n")[:-1]]

    def accepted_count(self) -> int:
        """The same, counted without reading twice what grows."""
        return sum(
            path.read_bytes().count(b"\n") for path in self.cluster.directory.glob("accepted-*")
        )

    def _accepted_by(self, name: str) -> Path:
        return self.cluster.directory / f"accepted-{name}"

    def a_worker(self) -> Worker:
        """One of those that run, or of the last ones where all have ended just now."""
        return self.dice.choice(self.awake() or self.cluster.workers[-WORKERS:])

    def kill_a_process_of(self, pids: set[int]) -> None:
        if pids:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self.dice.choice(sorted(pids)), signal.SIGKILL)
