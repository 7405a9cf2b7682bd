"""How much is taken at once follows from how long it took before."""

from neural.ledger import execute


def fitting(seconds):
    return execute.fitting("work", seconds=seconds, unknown=7)


def test_what_nobody_has_done_yet_gets_the_number_for_the_unknown():
    assert fitting(0.05) == 7


def test_as_many_fit_as_took_that_long_before():
    execute.learn("work", runs=10, seconds=0.1)

    assert fitting(0.05) == 5


def test_one_always_fits():
    execute.learn("work", runs=1, seconds=60)

    assert fitting(0.05) == fitting(-1) == 1


def test_what_was_just_slow_counts_at_once_and_is_forgotten_by_halves():
    execute.learn("work", runs=1, seconds=0.001)
    execute.learn("work", runs=1, seconds=0.1)
    assert fitting(1) == 10

    execute.learn("work", runs=1, seconds=0.001)
    assert 10 < fitting(1) < 20


def test_each_kind_of_work_has_its_own_pace():
    execute.learn("other", runs=1, seconds=60)

    assert fitting(0.05) == 7
