"""Gaps in a till's sequence of tickets."""

import pytest

from neural.restaurant.days.summary import MOST_MISSING, begin_again, gaps


def found(*tickets: str, first: str = "", last: str = "") -> list[str]:
    shown = gaps(tickets, first=first, last=last)
    return [each.first if each.count == 1 else f"{each.first} to {each.last}" for each in shown]


@pytest.mark.parametrize(
    ("tickets", "missing"),
    [
        (["A-1", "A-2", "A-4"], ["A-3"]),
        (["A-4", "A-1", "A-2"], ["A-3"]),
        (["A-16", "A-30", "A-32"], ["A-17 to A-29", "A-31"]),
        (["1", "2", "3"], []),
        (["008", "011"], ["009 to 010"]),
        (["99", "101"], ["100"]),
        (["A-1", "B-3", "A-2", "B-5"], ["B-4"]),
        (["A-1", "A-1", "A-2"], []),
        (["take away", "", "A-7"], []),
        ([], []),
    ],
)
def test_what_is_missing_in_each_sequence_is_named_from_its_first_to_its_last(tickets, missing):
    assert found(*tickets) == missing


def test_a_stated_first_and_last_ticket_bound_their_sequence():
    assert found("A-3", "A-4", first="A-1", last="A-6") == ["A-1 to A-2", "A-5 to A-6"]
    assert found("A-3", "A-9", first="A-3", last="A-4") == ["A-4"]
    assert found("B-1", "B-3", first="A-1", last="A-2") == ["A-1 to A-2", "B-2"]
    assert found(first="A-1", last="A-3") == ["A-1 to A-3"]


def test_one_stated_end_is_enough():
    assert found("A-3", first="A-1") == ["A-1 to A-2"]
    assert found("A-3", last="A-5") == ["A-4 to A-5"]


def test_numbers_that_began_again_within_the_day_have_no_gaps():
    assert found("A-99", "A-1", first="A-90", last="A-5") == []


def test_ids_are_no_sequence():
    assert found("3022716176275221584", "3022716176275221599") == []
    assert found("7", str(8 + 2 * MOST_MISSING)) == ["8 to 107"]
    assert found("7", str(9 + 2 * MOST_MISSING)) == []


def test_the_gaps_count_what_is_missing():
    assert sum(each.count for each in gaps(["A-1", "A-5", "A-9"])) == 6


@pytest.mark.parametrize(
    ("tills", "again"),
    [
        ([["A-1", "A-2"], ["A-2"]], True),
        ([["1"], ["001"]], True),
        ([["A-1", "A-1"], ["B-1"]], False),
        ([["", "take away"], ["", "take away"]], False),
        ([], False),
    ],
)
def test_tills_that_give_the_same_ticket_count_on_their_own(tills, again):
    assert begin_again(tills) == again
