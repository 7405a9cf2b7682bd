"""A demo whose workers cannot start says why, and ends. Its report counts the ledger's rows."""

import io
import time

import pytest

from neural.models import RunState
from tests.unit.factories import make_run
from zhilian.demo.demonstration import Demonstration, WorkersCannotStart
from zhilian.demo.jobs import REQUESTED_BY
from zhilian.demo.report import DemoReport
from zhilian.supervision.processes import STEADY_SECONDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo():
    return Demonstration(
        shops=1, days=1, live_rate=1, concurrency=1, log=io.StringIO(), keep_broker=lambda: None
    )


def ends(demo, *, after):
    """The first worker says why and ends, so many seconds after its start."""
    child = demo.supervisor.children[0]
    demo.supervisor.console.write(child.program.name, "ImportError: no module named chain")
    child.started_at = time.monotonic() - after
    child.put_off(time.monotonic())


def test_the_second_early_end_of_a_worker_ends_it_with_what_the_worker_said(demo):
    ends(demo, after=1)
    assert not demo._has_stalled()

    ends(demo, after=1)

    assert demo._has_stalled()
    assert isinstance(demo.error, WorkersCannotStart)
    assert "demo-high cannot start" in str(demo.error)
    assert "no module named chain" in str(demo.error)


def test_workers_that_have_done_something_are_started_again_however_often_they_end(demo):
    make_run(RunState.SUCCEEDED, requested_by=REQUESTED_BY)
    for _ in range(5):
        ends(demo, after=1)

    assert not demo._has_stalled()


def test_a_worker_that_lived_for_a_while_could_start(demo):
    ends(demo, after=1)
    ends(demo, after=STEADY_SECONDS + 1)
    ends(demo, after=1)

    assert not demo._has_stalled()


def test_an_accepted_event_that_the_ledger_does_not_have_is_a_problem(demo):
    demo.replay.tally.new = 1
    report = DemoReport(demo)

    lines = [line.strip() for line in report.runs()]

    assert "NOT OK 1 events were accepted: 0 have runs, 0 have no handler and are kept" in lines
    assert report.problems == ["1 accepted events are not in the ledger"]


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (RunState.DEAD, "is dead without a reason"),
        (RunState.PENDING, "1 runs are unfinished"),
    ],
)
def test_a_run_that_is_unfinished_or_dead_without_a_reason_is_a_problem(demo, state, problem):
    make_run(state, requested_by=REQUESTED_BY)
    report = DemoReport(demo)

    list(report.runs())

    assert any(problem in each for each in report.problems)
