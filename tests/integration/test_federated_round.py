"""A round through real workers: whatever is killed, it comes out as one that nobody disturbed."""

import datetime as dt
import os
import random
import signal
import time
from contextlib import suppress

import pytest
from django.utils import timezone

from neural.forecasting.models import ActiveModel, StoreUpdate, TrainingPlan, TrainingRound
from neural.forecasting.rounds.opening import open_round
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from tests.integration.cluster import Worker
from tests.probe.training import DISTURBED, UNDISTURBED
from tests.unit.factories import make_store
from tests.unit.forecasting.rounds import sold
from tests.watching import is_alive, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

STORES = [f"S{number:02}" for number in range(1, 11)]
QUICK = {
    "heartbeat_seconds": 0.3,
    "worker_lost_seconds": 3,
    "republish_seconds": 2,
    "republish_lease_seconds": 4,
    "max_lost_deliveries": 20,
}
SECONDS = 200


@pytest.fixture
def day(transactional_db) -> dt.date:
    """Stores that have sold until the day before this one, and the plans of both rounds."""
    for place, code in enumerate(STORES, start=1):
        store = make_store(code)
        sold(store, {-ago: 10 * place + ago for ago in range(1, 41)})
    for name in (UNDISTURBED, DISTURBED):
        TrainingPlan.objects.create(model_type=name)
    return store.business_day(timezone.now())


def open_one(name: str, day: dt.date) -> TrainingRound:
    """Both rounds train as of the same day, though it may end between them."""
    found = open_round(name=name, now=timezone.now(), as_of=day).round
    assert found is not None
    return found


def has_closed(training: TrainingRound) -> bool:
    training.refresh_from_db()
    return not training.is_open


def result(name: str) -> tuple:
    training = TrainingRound.objects.get(model_type=name)
    parts = StoreUpdate.objects.filter(round=training).order_by("store")
    version = ActiveModel.objects.version_of(name)
    return (
        (training.state, training.reason, training.exchange),
        version and version.sha256,
        list(parts.values_list("store", "state", "reason", "exchange", "examples")),
    )


@pytest.mark.faults
def test_processes_killed_all_through_a_round_change_nothing_of_it(cluster, day):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    worker = cluster.worker(concurrency=2, **QUICK).wait_until_ready()
    undisturbed = open_one(UNDISTURBED, day)
    wait_until(lambda: has_closed(undisturbed), SECONDS)

    training, kills = open_one(DISTURBED, day), 0
    while not has_closed(training) and kills < 12:
        time.sleep(0.02)
        kills += dice.random() < 0.3 and killed_one(worker, dice)
    wait_until(lambda: has_closed(training), SECONDS)

    assert kills > 2, seed
    assert TaskAttempt.objects.filter(outcome=AttemptOutcome.LOST).exists()
    assert result(DISTURBED) == result(UNDISTURBED), seed
    assert result(DISTURBED)[0] == ("published", "better", 9)


def killed_one(worker: Worker, dice: random.Random) -> bool:
    """Whether a process of the pool was killed that was at work."""
    running = TaskRun.objects.running().values_list("process_id", flat=True)
    at_work = sorted({*running} & {*filter(is_alive, worker.children())})
    with suppress(ProcessLookupError):
        if at_work:
            os.kill(dice.choice(at_work), signal.SIGKILL)
            return True
    return False


def test_a_worker_killed_as_a_whole_is_followed_by_another(cluster, day):
    first = cluster.worker(concurrency=2, **QUICK).wait_until_ready()
    undisturbed = open_one(UNDISTURBED, day)
    wait_until(lambda: has_closed(undisturbed), SECONDS)
    training = open_one(DISTURBED, day)
    wait_until(lambda: _exchange(training) >= 3, SECONDS)

    first.kill()
    cluster.worker(concurrency=2, **QUICK)
    wait_until(lambda: has_closed(training), SECONDS)

    assert result(DISTURBED) == result(UNDISTURBED)
    assert not TaskRun.objects.filter(state=RunState.DEAD).exists()


def _exchange(training: TrainingRound) -> int:
    training.refresh_from_db()
    return training.exchange
