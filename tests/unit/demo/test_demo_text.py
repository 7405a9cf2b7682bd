"""What the demo says of its round of training."""

from neural.forecasting.management.commands.federated_report import LEGEND
from zhilian.demo.text import training_lines


def report(**changes):
    training = {
        "round": 1,
        "invited": 2,
        "as_of": "2019-05-01",
        "version": 1,
        "of_an_earlier_run": False,
        "lines": ["Round 1: published, version 1; 20 s.", "", "  S1  20.0%  25.0%", LEGEND],
        "prepare": {
            "shop": "S1",
            "day": "2019-05-01",
            "version": 1,
            "dishes": [
                {"dish": "Roll", "usual": 1386, "rarely_out": 1537},
                {"dish": "Cake", "usual": None, "rarely_out": None},
            ],
            "hits": {"days": 11, "within": 10},
        },
    }
    return {"training": training | changes}


def said(**changes):
    return [" ".join(line.split()) for line in training_lines(report(**changes))]


def test_the_round_is_told_as_the_report_of_a_round_tells_it():
    first, second, *others = said()

    assert first == "TRAINING over 2 shops, as on the morning of 2019-05-01"
    assert second == "Errors are on the last 14 days, which nobody trained on."
    assert others[:3] == ["Round 1: published, version 1; 20 s.", "", "S1 20.0% 25.0%"]
    assert LEGEND in " ".join(others)


def test_a_round_of_an_earlier_run_is_said_to_be_one():
    assert not any("earlier run" in line for line in said())
    assert any("earlier run" in line for line in said(of_an_earlier_run=True))


def test_what_to_prepare_is_said_in_pieces_and_in_words():
    lines = said()

    assert "Roll 1,386 1,537" in lines
    assert "Cake closed closed" in lines
    assert any(line.startswith("On 10 of its last 11 open days") for line in lines)


def test_no_line_of_the_table_is_too_wide_for_a_terminal():
    assert max(map(len, training_lines(report()))) <= 100


def test_without_a_round_it_says_why():
    assert said(round=None, why_not="0 shops have 28 days of sales") == [
        "TRAINING no round: 0 shops have 28 days of sales"
    ]
