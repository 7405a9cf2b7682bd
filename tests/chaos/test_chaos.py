"""Random faults under load: nothing accepted is lost, nothing is done twice.

CHAOS_SECONDS sets how long (20 by default), CHAOS_SEED which faults in which order; the
seed is printed. What is due is not decided by the seed alone: processes are.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter as Multiset
from contextlib import suppress

import pytest

from neural.models import NeuralEvent, RunState, TaskRun
from tests.integration.cluster import ROOT
from tests.probe.models import Counter, Effect
from tests.watching import wait_until
from zhilian.tether import tethered

pytestmark = pytest.mark.chaos

SECONDS = float(os.environ.get("CHAOS_SECONDS", 20))
SUBMITTERS = 2
WORKERS = 2
SETTLING_SECONDS = 120 + SECONDS
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
}


class Chaos:
    """The processes, and what may happen to them."""

    def __init__(self, cluster, dice: random.Random, seed: str) -> None:
        self.cluster = cluster
        self.dice = dice
        self.seed = seed
        self.done: Multiset[str] = Multiset()
        self.submitters: list[subprocess.Popen] = []
        self.started = 0

    def fill_up(self) -> None:
        """Start again what has ended, as a supervisor does."""
        living = [worker for worker in self.cluster.workers if worker.is_running]
        for _ in range(WORKERS - len(living)):
            self.cluster.start_worker(concurrency=2, **LIMITS)
        self.submitters = [each for each in self.submitters if each.poll() is None]
        while len(self.submitters) < SUBMITTERS:
            self.start_submitter()

    def start_submitter(self) -> None:
        self.started += 1
        name = f"p{self.started}"
        path = self.cluster.directory / f"accepted-{name}"
        command = [sys.executable, "-m", "tests.chaos.submitter", name, self.seed, str(path)]
        with (self.cluster.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                tethered(command),
                cwd=ROOT,
                env=self.cluster.environment(**LIMITS),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.submitters.append(process)

    def accepted(self) -> list[str]:
        """What submitters were told is recorded. A line cut off by a kill does not count."""
        texts = (path.read_text() for path in self.cluster.directory.glob("accepted-*"))
        return [line for text in texts for line in text.split("\n")[:-1]]

    def stop_submitting(self) -> None:
        for process in self.submitters:
            process.kill()
            process.wait()

    # Faults

    def kill_a_worker(self) -> None:
        self._a_worker().kill()

    def stop_a_worker(self) -> None:
        self._a_worker().process.terminate()

    def kill_a_pool_process(self) -> None:
        children = sorted(self._a_worker().children())
        if children:
            with suppress(ProcessLookupError):
                os.kill(self.dice.choice(children), 9)

    def freeze_a_worker(self) -> None:
        worker = self._a_worker()
        worker.freeze()
        time.sleep(self.dice.uniform(1, 9))
        worker.thaw()

    def kill_a_submitter(self) -> None:
        process = self.dice.choice(self.submitters)
        process.kill()
        process.wait()

    def restart_the_broker(self) -> None:
        self.cluster.broker.kill()
        time.sleep(self.dice.uniform(0, 3))
        self.cluster.broker.start()

    def wipe_the_broker(self) -> None:
        self.cluster.broker.wipe()

    def freeze_the_broker(self) -> None:
        self.cluster.broker.freeze()
        time.sleep(self.dice.uniform(0.5, 4))
        self.cluster.broker.thaw()

    FAULTS = {
        kill_a_worker: 4,
        stop_a_worker: 2,
        kill_a_pool_process: 4,
        freeze_a_worker: 1,
        kill_a_submitter: 2,
        restart_the_broker: 2,
        wipe_the_broker: 2,
        freeze_the_broker: 1,
    }

    def strike(self) -> None:
        fault = self.dice.choices(list(self.FAULTS), weights=list(self.FAULTS.values()))[0]
        fault(self)
        self.done[fault.__name__] += 1

    def _a_worker(self):
        return self.dice.choice([worker for worker in self.cluster.workers if worker.is_running])


@pytest.fixture
def chaos(cluster):
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed} CHAOS_SECONDS={SECONDS:g}")
    chaos = Chaos(cluster, random.Random(seed), seed)
    yield chaos
    chaos.stop_submitting()
    print(f"faults: {dict(chaos.done)}")
    for log in sorted(cluster.directory.glob("p*.log")):
        print(f"--- {log.name} ---\n{log.read_text()[-1500:]}")


def test_random_faults_under_load_lose_nothing_and_double_nothing(chaos, capsys):
    chaos.fill_up()
    wait_until(lambda: chaos.accepted() and Effect.objects.exists(), 60)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(chaos.dice.uniform(0.2, 1.5))
        chaos.fill_up()
        chaos.strike()
    chaos.stop_submitting()
    accepted = chaos.accepted()

    finish(chaos)

    with capsys.disabled():
        print(f"\n  chaos {chaos.seed}: {len(accepted):,} accepted, {summary(chaos)}")
    assert_each_once(accepted)


def finish(chaos) -> None:
    """Let workers that stay alive end what is left."""
    living = [worker for worker in chaos.cluster.workers if worker.is_running]
    for _ in range(WORKERS - len(living)):
        chaos.cluster.start_worker(concurrency=2, **LIMITS)
    wait_until(lambda: not unfinished().exists(), SETTLING_SECONDS)


def unfinished():
    return TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))


def summary(chaos) -> str:
    losses = sum(TaskRun.objects.values_list("losses", flat=True))
    dead = TaskRun.objects.dead().count()
    return f"{sum(chaos.done.values())} faults, {losses:,} lost deliveries, {dead} dead"


def assert_each_once(accepted: list[str]) -> None:
    """By counters that are not idempotent."""
    recorded = set(NeuralEvent.objects.values_list("event_id", flat=True))
    assert set(accepted) <= recorded, "accepted, but not recorded"

    runs = dict(TaskRun.objects.values_list("event__event_id", "state"))
    assert set(runs) == recorded
    dead = {key for key, state in runs.items() if state == RunState.DEAD}
    permanent = NeuralEvent.objects.filter(payload__permanent=True)
    assert dead == set(permanent.values_list("event_id", flat=True)), "dead for no stated reason"
    for run in TaskRun.objects.dead():
        assert "NeverAgain" in run.error

    expected = dict.fromkeys(recorded - dead, 1)
    counts = dict(Effect.counts())
    lost = sorted(set(expected) - set(counts))
    doubled = sorted(key for key, times in counts.items() if times > 1)
    assert not lost, lost[:20]
    assert not doubled, doubled[:20]
    assert counts == expected
    assert Counter.read("all") == len(expected)
