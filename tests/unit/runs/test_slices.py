from contextlib import suppress
from itertools import count
from math import inf

import pytest

import neural
from neural.runs import slices
from neural.runs.slices import in_slices, in_time


@pytest.mark.parametrize(("seconds", "done"), [(-1, [1]), (60, [1, 2, 3])])
def test_there_is_time_for_one_step_at_least(seconds, done):
    assert list(in_time([1, 2, 3], seconds=seconds)) == done


def test_a_slice_ends_with_the_step_in_which_its_time_is_up():
    done = []

    with pytest.raises(neural.Snooze) as snoozed:
        in_slices(map(done.append, range(9)), done.copy, seconds=3, clock=count().__next__)

    assert snoozed.value.checkpoint == done == [0, 1, 2]
    assert snoozed.value.seconds == slices.PAUSE_SECONDS


def test_with_time_enough_all_steps_are_done():
    done = []

    in_slices(map(done.append, range(9)), done.copy)

    assert done == list(range(9))


@pytest.mark.parametrize(("gives_way_after", "steps"), [(inf, 9), (0, 1)])
def test_a_slice_may_give_way_to_other_work(monkeypatch, gives_way_after, steps):
    monkeypatch.setattr(slices, "others_wait", lambda: True)
    done = []

    with suppress(neural.Snooze):
        in_slices(map(done.append, range(9)), done.copy, gives_way_after=gives_way_after)

    assert len(done) == steps
