"""What a worker's processes remember together of the runs that they have done."""

import os
import signal

import pytest

from neural.runs.models.new_run import new_task_id
from neural.worker.delivery import Done, DoneRuns

pytestmark = pytest.mark.services  # some fork


def in_a_child(work, *, then=lambda: os._exit(0)):
    child = os.fork()
    if not child:
        work()
        then()
    os.waitpid(child, 0)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_run_that_is_done_is_known_once_and_then_forgotten(streamed):
    """Were it an error, the next message of that id would get through."""
    done = DoneRuns(slots=64)
    done.remember("run", streamed=streamed)

    assert done.recall("run") == Done(streamed=streamed)
    assert done.recall("run") is None


def test_a_run_that_is_not_done_is_not_known():
    done = DoneRuns(slots=1)  # all share one slot
    assert done.recall("run") is None

    done.remember("another", streamed=True)

    assert done.recall("run") is None
    assert done.recall("another")


def test_where_two_share_a_slot_the_later_one_is_known():
    done = DoneRuns(slots=1)
    done.remember("earlier", streamed=True)
    done.remember("later", streamed=True)

    assert done.recall("earlier") is None
    assert done.recall("later")


def test_a_thousand_runs_of_the_same_moment_are_told_apart():
    done = DoneRuns()
    runs, others = ([new_task_id() for _ in range(1000)] for _ in range(2))
    for run in runs:
        done.remember(run, streamed=False)

    assert not any(done.recall(other) for other in others)
    assert sum(bool(done.recall(run)) for run in runs) > 990


def test_what_a_pool_process_wrote_its_parent_knows_even_if_it_was_killed():
    done = DoneRuns(slots=64)

    in_a_child(
        lambda: done.remember("run", streamed=True),
        then=lambda: os.kill(os.getpid(), signal.SIGKILL),
    )

    assert done.recall("run")


def test_processes_that_are_forked_later_share_it_too():
    done = DoneRuns(slots=1024)
    for name in ("first", "second"):
        in_a_child(lambda name=name: done.remember(name, streamed=True))

    in_a_child(lambda: done.recall("first"))

    assert done.recall("first") is None
    assert done.recall("second")


def test_whether_there_is_more_is_known_of_each_queue():
    done = DoneRuns(slots=64)
    assert not done.expects_more("high")

    in_a_child(lambda: done.expect_more("high", more=True))

    assert done.expects_more("high")
    assert not done.expects_more("low")
    done.expect_more("high", more=False)
    assert not done.expects_more("high")
