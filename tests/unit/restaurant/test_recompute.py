"""Totals that many events share are computed once, at the end of their transaction."""

import pytest

from neural.ledger.work import Recomputation, at_the_end


@pytest.fixture
def computed() -> list[tuple[str, list[int]]]:
    return []


@pytest.fixture
def first(computed) -> Recomputation:
    return Recomputation(rank=1, compute=lambda keys: computed.append(("first", keys)))


@pytest.fixture
def second(computed) -> Recomputation:
    return Recomputation(rank=2, compute=lambda keys: computed.append(("second", keys)))


def test_outside_a_block_it_is_computed_at_once(first, computed):
    first.ask({2, 1})
    assert computed == [("first", [1, 2])]


def test_nothing_is_computed_for_no_keys(first, computed):
    first.ask(set())
    with at_the_end():
        first.ask(set())
    assert computed == []


def test_inside_a_block_it_waits_and_is_computed_once_sorted_by_rank(first, second, computed):
    with at_the_end():
        second.ask({3})
        first.ask({2})
        first.ask({1, 2})
        assert computed == []
    assert computed == [("first", [1, 2]), ("second", [3])]


def test_an_inner_block_leaves_its_keys_to_the_outer_one(first, computed):
    with at_the_end():
        first.ask({1})
        with at_the_end():
            first.ask({2})
        assert computed == []
    assert computed == [("first", [1, 2])]


def test_after_an_error_nothing_is_computed(first, computed):
    def fail() -> None:
        with at_the_end():
            first.ask({1})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    first.ask({2})
    assert computed == [("first", [2])]
