"""``map``, ``starmap`` and ``chunks`` of a ledger task: one run for each list of calls."""

import pytest
from celery import chord

from neural.celeryapp.task import EACH_TASK
from neural.models import RunState
from tests.probe import canvas, tasks
from tests.probe.models import Effect
from tests.unit.celeryapp.canvas import ledger_task, run_all, runs_of

pytestmark = pytest.mark.django_db


def test_each_chunk_is_a_run_and_their_results_are_lists_in_order(fake_broker):
    result = canvas.add.chunks(((number, 1) for number in range(5)), 2)()

    run_all()

    assert result.get(timeout=1) == [[1, 2], [3, 4], [5]]
    assert [run.args for run in runs_of(EACH_TASK)] == [
        ["probe.add", [[0, 1], [1, 1]], True],
        ["probe.add", [[2, 1], [3, 1]], True],
        ["probe.add", [[4, 1]], True],
    ]
    assert not runs_of(canvas.add)


def test_map_and_starmap_call_the_task_for_each_item(fake_broker):
    mapped = canvas.total.map([[1, 2], [3]]).apply_async()
    starred = canvas.add.starmap([(1, 2), (3, 4)]).delay()

    run_all()

    assert (mapped.get(timeout=1), starred.get(timeout=1)) == ([3, 3], [3, 7])


def test_chunks_may_be_the_header_of_a_chord(fake_broker):
    result = chord(canvas.add.chunks([(1, 1), (2, 2), (3, 3)], 2).group())(tasks.give_back.s())

    run_all()

    assert result.get(timeout=1) == [[[[2, 4], [6]]], {}]


def test_a_chunk_of_atomic_calls_is_atomic_and_has_the_tasks_retries(fake_broker):
    def note_positive(number):
        Effect.objects.create(key=str(number))
        if number < 0:
            raise ValueError(number)

    with ledger_task(note_positive, atomic=True, max_retries=1) as task:
        task.map([1, 2, -3]).delay()
        run_all()

    (run,) = runs_of(EACH_TASK)
    assert (run.state, run.failures) == (RunState.DEAD, 2)
    assert not Effect.objects.exists()


def test_they_run_where_the_task_runs(fake_broker):
    def urgent(number):
        return number

    with ledger_task(urgent, run_queue="high_priority", run_priority=9) as task:
        task.chunks([(1,)], 1)()
        task.map([1]).set(queue="low_priority").delay()

    assert [(run.queue, run.priority) for run in runs_of(EACH_TASK)] == [
        ("high_priority", 9),
        ("low_priority", 9),
    ]
