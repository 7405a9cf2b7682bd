"""How many runs a worker takes at once follows from how long they took, and from nothing else."""

import datetime as dt
from types import SimpleNamespace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from neural.ledger import batch, execute
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.work import Work, default_retry
from neural.models import RunState, TaskRun
from tests.unit.factories import ago, make_run

pytestmark = pytest.mark.django_db

BATCHABLE = "probe.count"
MESSAGE_SECONDS = 0.05
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class HandTurnedClock:
    """Time passes when a test says so."""

    elapsed = 0.0

    @classmethod
    def of(cls, run):
        return cls()

    def now(self):
        return NOON + dt.timedelta(seconds=HandTurnedClock.elapsed)


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": MESSAGE_SECONDS}
    monkeypatch.setattr(HandTurnedClock, "elapsed", 0.0)
    monkeypatch.setattr(batch, "Clock", HandTurnedClock)


def passes(seconds):
    HandTurnedClock.elapsed += seconds


class Source:
    def __init__(self, seconds, *, atomic=True, error=None):
        self.seconds, self.atomic, self.error = seconds, atomic, error

    def work_for(self, run):
        return Work(function=self._work, atomic=self.atomic, retry=default_retry())

    def _work(self):
        passes(self.seconds)
        if self.error:
            raise self.error


def take(source, number, **fields):
    """So many runs, claimed together and worked on."""
    first = TaskRun.objects.count()
    names = [str(first + each) for each in range(number)]
    for place, name in enumerate(names):
        fields = {"handler": BATCHABLE, "available_at": ago(seconds=60 - place), **fields}
        make_run(task_id=name, **fields)
    runs = claim(
        task_id=names[0],
        claimant=Claimant(),
        queue="default",
        batchable=[BATCHABLE],
        limit=number,
    )
    assert len(runs) == number
    return run_claimed(source, runs)


def fitting():
    return execute.fitting("default", seconds=MESSAGE_SECONDS, unknown=-1)


def wait_before_each_transaction(monkeypatch, seconds):
    """As when another process holds SQLite's one writer."""
    inside = []

    class Atomic:
        def __init__(self, *args, **kwargs):
            self.inner = transaction.atomic(*args, **kwargs)

        def __enter__(self):
            if not inside:
                passes(seconds)
            inside.append(1)
            return self.inner.__enter__()

        def __exit__(self, *error):
            inside.pop()
            return self.inner.__exit__(*error)

    for module in (batch, execute):
        monkeypatch.setattr(module, "transaction", SimpleNamespace(atomic=Atomic))


def test_runs_that_waited_for_the_databases_one_writer_are_all_done_and_not_thought_slow(
    monkeypatch,
):
    wait_before_each_transaction(monkeypatch, seconds=10)

    outcomes = take(Source(seconds=0.001), 10)

    assert all(outcome.succeeded for outcome in outcomes)
    assert fitting() == 50


def test_nor_is_one_run_that_waited_for_it_alone(monkeypatch):
    wait_before_each_transaction(monkeypatch, seconds=10)

    take(Source(seconds=0.001), 1)

    assert fitting() == 50


def test_after_one_slow_batch_runs_taken_singly_bring_the_number_up_again():
    execute.learn("default", runs=1, seconds=60)
    assert fitting() == 1

    for _ in range(20):
        take(Source(seconds=0.001), 1)

    assert fitting() >= 20


def test_a_slow_run_among_quick_ones_counts_at_once():
    take(Source(seconds=0.01), 5)

    assert fitting() == 5


def test_what_ends_for_want_of_time_counts_those_that_were_done():
    outcomes = take(Source(seconds=0.04), 5)

    assert [outcome.succeeded for outcome in outcomes] == [True, True, False, False, False]
    assert fitting() == 1


def test_a_run_that_the_time_limit_ends_is_slow():
    take(Source(seconds=240, error=SoftTimeLimitExceeded()), 2)

    assert fitting() == 1


@pytest.mark.parametrize(
    "fields", [{"handler": ""}, {"failures": 1, "state": RunState.PENDING}], ids=["task", "again"]
)
def test_a_run_that_nobody_could_be_batched_with_says_nothing_of_the_others(fields):
    take(Source(seconds=30), 1, **fields)

    assert fitting() == -1


def test_nor_does_work_in_two_steps():
    take(Source(seconds=30, atomic=False), 1)

    assert fitting() == -1
