"""What nothing else can stop is ended at its hard limit, and costs no neighbour a delivery."""

import itertools
import threading
from types import SimpleNamespace

import pytest

from neural.ledger.work import Clock
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.worker.asynchronous.loop import UnderWay
from neural.worker.asynchronous.watchdog import EXIT_CODE, Watchdog
from tests.unit.factories import held

pytestmark = pytest.mark.django_db


class Runner:
    """Three runs under way; what holds the loop and the threads is the test's choice."""

    def __init__(self, *, age=400.0):
        self.runs = [held(None, task_id=f"r{number}") for number in range(3)]
        self.ways = [UnderWay(run, Clock.of(run), hard_limit=300) for run in self.runs]
        for it in self.ways[:1]:
            it.seconds = lambda: age
        self.given_up = []
        self.loop = SimpleNamespace(
            ticks=1,
            holder=lambda: (None, None),
            orm=SimpleNamespace(doing=None),
            thread=threading.current_thread(),
        )
        self.others = SimpleNamespace(doing=None)

    def under_way(self):
        return self.ways

    def give_up(self, it, *, why):
        self.given_up.append(it.run.task_id)


@pytest.fixture
def ended():
    return []


def looked(runner, ended, times=2):
    dog = Watchdog(runner, end=ended.append)
    for _ in range(times):
        if not ended:
            dog.look()
    return {run.task_id: (run.state, run.losses) for run in TaskRun.objects.order_by("task_id")}


CONDEMNED = {
    "r0": (RunState.PENDING, 1),
    "r1": (RunState.PENDING, 0),
    "r2": (RunState.PENDING, 0),
}
UNTOUCHED = dict.fromkeys(CONDEMNED, (RunState.RUNNING, 0))


def test_a_coroutine_that_blocks_the_loop_ends_the_process_and_alone_loses_a_delivery(ended):
    runner = Runner()
    runner.loop.holder = lambda: ("its task", runner.runs[0])

    assert looked(runner, ended) == CONDEMNED
    assert ended == [EXIT_CODE]
    outcomes = dict(TaskAttempt.objects.values_list("run__task_id", "outcome"))
    released = AttemptOutcome.RELEASED
    assert outcomes == {"r0": AttemptOutcome.LOST, "r1": released, "r2": released}


@pytest.mark.parametrize("lane", ["orm", "others"])
def test_a_call_that_blocks_a_thread_ends_the_process_too(ended, lane):
    runner = Runner()
    place = runner.loop.orm if lane == "orm" else runner.others
    place.doing = runner.runs[0]

    assert looked(runner, ended) == CONDEMNED
    assert ended == [EXIT_CODE]


def test_who_blocks_the_loop_is_logged_before_the_limit_and_goes_on(ended, caplog):
    runner = Runner(age=5.0)
    runner.loop.holder = lambda: ("its task", runner.runs[0])

    assert looked(runner, ended, times=3) == UNTOUCHED
    assert ended == []
    assert caplog.text.count("event=loop_blocked run=r0") == 1
    assert __file__ in caplog.text or "where=" in caplog.text


def test_a_loop_that_goes_round_is_not_blocked(ended):
    """One coroutine may be seen twice, as one with many short steps is."""
    runner = Runner()
    runner.loop = GoingRound(runner)

    assert looked(runner, ended) == UNTOUCHED
    assert ended == []
    assert runner.given_up == ["r0", "r0"]


class GoingRound:
    """The loop of a runner, with one coroutine that seems to be executed all the time."""

    def __init__(self, runner):
        self.orm, self.thread = runner.loop.orm, runner.loop.thread
        self.holder = lambda: ("its task", runner.runs[1])
        self._ticks = itertools.count()

    @property
    def ticks(self):
        return next(self._ticks)


def test_a_coroutine_that_waits_beyond_its_limit_is_given_up_alone(ended):
    runner = Runner()
    looks = itertools.count()
    runner.loop = SimpleNamespace(**{**vars(runner.loop), "holder": lambda: (next(looks), None)})

    assert looked(runner, ended, times=1) == UNTOUCHED
    assert ended == []
    assert runner.given_up == ["r0"]


def test_while_the_loop_is_blocked_no_run_that_waits_is_given_up(ended):
    """Its soft limit could not strike."""
    runner = Runner()
    runner.loop.holder = lambda: ("its task", runner.runs[1])

    looked(runner, ended)
    before = list(runner.given_up)
    looked(runner, ended, times=1)

    assert runner.given_up == [*before, "r0"]  # only at a first look, which cannot know yet
