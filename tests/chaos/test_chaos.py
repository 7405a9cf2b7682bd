"""Random faults under load: nothing accepted is lost, nothing is done twice.

CHAOS_SECONDS sets how long (20 by default), or CHAOS_EVENTS how many events are accepted before
it ends; CHAOS_SEED which faults come in which order. The seed is printed. What is due is not
decided by the seed alone: processes are.
"""

import os
import random
import time

import pytest

from neural.models import NeuralEvent, RunState, TaskRun
from tests.chaos.faults import strike
from tests.chaos.processes import Chaos
from tests.probe.models import Counter, Effect
from tests.watching import wait_until

SECONDS = float(os.environ.get("CHAOS_SECONDS", 20))
EVENTS = int(os.environ.get("CHAOS_EVENTS", 0))

pytestmark = [pytest.mark.chaos, pytest.mark.takes(seconds=60 + SECONDS + EVENTS / 50)]


@pytest.fixture
def chaos(cluster):
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"CHAOS_SEED={seed} CHAOS_SECONDS={SECONDS:g} CHAOS_EVENTS={EVENTS}")
    chaos = Chaos(cluster, random.Random(seed), seed)
    yield chaos
    chaos.stop_submitting()
    print(f"faults: {dict(chaos.done)}")
    for log in sorted(cluster.directory.glob("p*.log")):
        print(f"--- {log.name} ---\n{log.read_text()[-1500:]}")


def test_random_faults_under_load_lose_nothing_and_double_nothing(chaos, capsys):
    chaos.fill_up()
    wait_until(lambda: chaos.accepted() and Effect.objects.exists(), 240)
    goes_on = enough(chaos)
    while goes_on():
        time.sleep(chaos.dice.uniform(0.2, 1.5))
        chaos.fill_up()
        strike(chaos)
    chaos.stop_submitting()
    accepted = chaos.accepted()

    finish(chaos)

    with capsys.disabled():
        print(f"\n  chaos {chaos.seed}: {len(accepted):,} accepted, {summary(chaos)}")
    assert_each_once(accepted)


def enough(chaos):
    """Whether it goes on: for so many events, or for so many seconds."""
    if EVENTS:
        return lambda: chaos.accepted_count() < EVENTS
    deadline = time.monotonic() + SECONDS
    return lambda: time.monotonic() < deadline


def finish(chaos) -> None:
    """Let workers that stay alive end what is left, for as long as they get on."""
    chaos.retire_the_old_worker()
    wait_until(lambda: not any(worker.is_running for worker in chaos.told_to_stop), 180)
    chaos.start_workers(may_be_old=False)
    left = unfinished().count()
    while left:
        wait_until(lambda: unfinished().count() < left, 180)  # noqa: B023
        left = unfinished().count()


def of_events():
    """Others are dead letters of forged messages."""
    return TaskRun.objects.filter(event__isnull=False)


def unfinished():
    return TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))


def summary(chaos) -> str:
    losses = sum(TaskRun.objects.values_list("losses", flat=True))
    dead, letters = of_events().dead().count(), TaskRun.objects.filter(event=None).count()
    faults = sum(chaos.done.values())
    return f"{faults} faults, {losses:,} lost deliveries, {dead} dead, {letters} forged messages"


def assert_each_once(accepted: list[str]) -> None:
    """By counters that are not idempotent."""
    recorded = set(NeuralEvent.objects.values_list("event_id", flat=True))
    assert set(accepted) <= recorded, "accepted, but not recorded"

    runs = dict(of_events().values_list("event__event_id", "state"))
    assert set(runs) == recorded
    dead = {key for key, state in runs.items() if state == RunState.DEAD}
    permanent = NeuralEvent.objects.filter(payload__permanent=True)
    assert dead == set(permanent.values_list("event_id", flat=True)), "dead for no stated reason"
    for run in of_events().dead():
        assert "NeverAgain" in run.error
    forged = TaskRun.objects.filter(event=None)
    assert not forged.exclude(state=RunState.DEAD).exists(), "a forged message was done"
    assert not NeuralEvent.objects.filter(payload__has_key="deep").exists()

    expected = dict.fromkeys(recorded - dead, 1)
    counts = dict(Effect.counts())
    lost = sorted(set(expected) - set(counts))
    doubled = sorted(key for key, times in counts.items() if times > 1)
    assert not lost, lost[:20]
    assert not doubled, doubled[:20]
    assert counts == expected
    assert Counter.read("all") == len(expected)
