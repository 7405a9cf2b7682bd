"""When a failed run is tried again. Pure: no database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.kit.errors import NeuralError, PermanentError
from neural.ledger.retry import RetryPolicy


def test_three_retries_wait_60_120_and_240_seconds_without_jitter():
    policy = RetryPolicy(jitter=0)

    assert [policy.delay(n) for n in (1, 2, 3)] == [60, 120, 240]
    assert [policy.allows(n) for n in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_delay_never_exceeds_the_cap():
    assert RetryPolicy(max_retries=99, jitter=0).delay(5) == 600
    assert RetryPolicy(max_retries=99, jitter=0).delay(5000) == 600


@pytest.mark.parametrize(("share", "seconds"), [(0, 30), (0.5, 45), (1, 60)])
def test_half_of_a_delay_is_random(share, seconds):
    assert RetryPolicy().delay(1, random_share=share) == seconds


@given(st.integers(1, 200), st.floats(0, 1))
def test_no_retry_comes_at_once_and_none_beyond_the_cap(failures, share):
    assert 30 <= RetryPolicy().delay(failures, random_share=share) <= 600


def test_delays_of_runs_that_failed_together_differ():
    assert len({RetryPolicy().delay(1) for _ in range(50)}) > 40


def test_an_error_says_itself_that_it_is_permanent():
    assert RetryPolicy().is_permanent(PermanentError())
    assert not RetryPolicy().is_permanent(NeuralError())
    assert not RetryPolicy().is_permanent(ValueError())


def test_a_policy_may_call_classes_of_errors_permanent():
    policy = RetryPolicy(permanent=(LookupError,))

    assert policy.is_permanent(KeyError("k"))
    assert not policy.is_permanent(ValueError())


def test_no_retries_means_one_attempt():
    assert not RetryPolicy(max_retries=0).allows(1)
