"""How the console displays values."""

import datetime as dt

import pytest

from neural.monitoring.console import texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0334, "33 ms"),
        (1.25, "1.2 s"),
        (2, "2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (468, "7 min 48 s"),
        (1260, "21 min"),
        (3600, "1 h"),
        (7440, "2 h 4 min"),
        (108_000, "30 h"),
        (40 * 86400, "40 days"),
    ],
)
def test_a_length_is_said_in_one_unit_or_in_two_if_the_larger_is_small(seconds, text):
    assert texts.rough(seconds) == text
    assert texts.rough(dt.timedelta(seconds=seconds)) == text


def test_nothing_is_a_dash():
    assert texts.rough(None) == texts.per_cent(None) == "-"


@pytest.mark.parametrize(("share", "text"), [(0, "0.0"), (0.041, "4.1"), (0.41, "41"), (1, "100")])
def test_a_share_has_a_decimal_below_ten_per_cent(share, text):
    assert texts.per_cent(share) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.25, "0.2"), (3.0, "3"), (17.4, "17"), (1234, "1,234")]
)
def test_a_rate_has_a_decimal_below_ten(number, text):
    assert texts.rate(number) == text


def test_where_counting_stopped_there_is_a_plus():
    assert (texts.counted(999), texts.counted(1000)) == ("999", "1,000+")
