"""What the demo says of its round of training."""

from zhilian.demo.text import training_lines


def report(**changes):
    training = {
        "round": 1,
        "invited": 2,
        "as_of": "2019-05-01",
        "state": "published",
        "version": 1,
        "seconds": 19.7,
        "exchanges": 94,
        "explanation": "better than the simple rules",
        "detail": "",
        "of_an_earlier_run": False,
        "methods": {"candidate": {"wape": 0.2}, "weekday_mean": {"wape": 0.25}},
        "stores": [
            store("S1", candidate=0.2, weekday_mean=0.25, seasonal_naive=0.3, local=0.19),
            store("S2", candidate=0.2, weekday_mean=0.18, seasonal_naive=0.3),
            store("S3", state="late", reason="no_answer"),
        ],
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


def store(code, *, state="accepted", reason="", **wape):
    return {"store": code, "state": state, "reason": reason, "wape": wape}


def said(**changes):
    return [" ".join(line.split()) for line in training_lines(report(**changes))]


def test_each_shop_has_its_errors_and_why_it_was_left_out():
    lines = said()

    assert "S1 20.0% 25.0% 30.0% 19.0%" in lines
    assert "S2 20.0% 18.0% 30.0% -" in lines
    assert "S3 - - - - late: no_answer" in lines
    assert "all shops 20.0% 25.0% - -" in lines


def test_it_counts_the_shops_in_which_the_version_beats_both_simple_rules():
    assert "This version errs less than both simple rules in 1 of 2 shops." in said()


def test_what_to_prepare_is_said_in_pieces_and_in_words():
    lines = said()

    assert "Roll 1,386 1,537" in lines
    assert "Cake closed closed" in lines
    assert any(line.startswith("On 10 of its last 11 open days") for line in lines)


def test_no_line_of_the_table_is_too_wide_for_a_terminal():
    _title, *others = training_lines(report())

    assert max(map(len, others)) <= 100


def test_without_a_round_it_says_why():
    assert said(round=None, why_not="0 shops have 28 days of sales") == [
        "TRAINING no round: 0 shops have 28 days of sales"
    ]


def test_a_round_that_nobody_could_judge_has_no_table():
    why = "too few stores gave a usable answer"
    nothing = {"methods": {}, "stores": [], "prepare": None, "version": None}

    first, *others = said(state="failed_quorum", explanation=why, **nothing)

    assert first.endswith("as on the morning of 2019-05-01: failed_quorum, 19.7 s, 94 exchanges")
    assert others == [why]
