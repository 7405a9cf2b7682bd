"""What a person types and chooses, and the parameters of an address for it."""

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neural.runs.query import EVER, QueryRefused, RunQuery, parsed

NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
PARTS = st.sampled_from(
    [
        "state=dead",
        "state=",
        "=x",
        "by=anna",
        'error="timed out"',
        "order=A-1",
        '"',
        "“a b”",
        "＝",
        "x",
    ]
)


def query(text: str = "", **params: str) -> RunQuery:
    return RunQuery.from_params({"text": text, **params})


def problem(text: str = "", **params: str) -> str:
    with pytest.raises(QueryRefused) as refused:
        query(text, **params)
    return str(refused.value)


def understood(params: dict[str, str]) -> RunQuery | None:
    """The query of these parameters; None if they are refused."""
    try:
        return RunQuery.from_params(params)
    except QueryRefused:
        return None


def test_fields_are_typed_into_the_box_with_the_rest_as_free_text() -> None:
    found = query(
        'state=dead queue=low_priority by=anna tries=3 worker=12 read error="timed out" it'
    )

    assert found == RunQuery(
        state="dead",
        queue="low_priority",
        requested_by="anna",
        tries=3,
        worker=12,
        error="timed out",
        text="read it",
    )


def test_what_is_typed_takes_the_place_of_what_was_chosen() -> None:
    assert query("state=dead", state="pending").state == "dead"


@pytest.mark.parametrize("text", ['"timeout=60"', "“timeout=60”", 'error="timeout=60"'])
def test_quotation_marks_look_in_errors_as_they_stand(text: str) -> None:
    assert query(text) == RunQuery(error="timeout=60")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("payload.phone=1", "payload.phone"),
        ("handler=x", "handler"),
        ("colour=red", "colour"),
        ("state=asleep", "asleep"),
        ("worker=first", "first"),
        ("tries=999999999", "999999999"),
        ("state=dead state=pending", "state"),
        ("state=", "state="),
        ("http://x/?a=b", "http://x/?a=b"),
        ('error="half', 'error="half'),
        ("since=yesterday", "yesterday"),
    ],
)
def test_what_is_not_understood_is_named_in_a_sentence(text: str, named: str) -> None:
    said = problem(text)

    assert named in said
    assert said.endswith((".", "beside it.")), said


@pytest.mark.parametrize("name", ["q", "state__exact", "handler", "task", "o", "p"])
def test_a_parameter_that_no_list_has_any_more_is_named_and_not_ignored(name: str) -> None:
    assert f"“{name}”" in problem(**{name: "1"})


def test_a_time_without_a_zone_is_the_readers() -> None:
    assert query(since="2026-01-31T08:00").since == dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def test_a_query_is_its_parameters_and_the_other_way_round() -> None:
    found = query("since=2026-01-31T08:00+08:00 store=S01 order=A-1 by=bo 张三")

    assert RunQuery.from_params(found.params()) == found
    assert found.others == {"order": "A-1"}


def test_ids_are_looked_for_at_all_times_and_anything_else_in_the_last_seven_days() -> None:
    assert query("run=abcdef").shown_period == EVER
    assert query("order=A-1").shown_period == EVER
    assert query("run=abcdef", period="1h").shown_period == "1h"
    assert query("store=S01").shown_period == "7d"
    assert query(since="2026-01-31T08:00").shown_period == ""


def test_a_period_becomes_times_that_mean_the_same_later() -> None:
    later = query().at(NOW)

    assert (later.since, later.until, later.period) == (NOW - dt.timedelta(days=7), NOW, "")
    assert query(period="all").at(NOW).times(NOW) == (None, None)
    since = query(since="2026-01-31T08:00Z")
    assert since.at(NOW).times(NOW) == (since.since, None)


@given(st.text(max_size=80) | st.lists(PARTS).map(" ".join))
def test_no_text_does_anything_but_be_understood_or_refused(text: str) -> None:
    found = understood({"text": text})

    assert found is None or RunQuery.from_params(found.params()) == found


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=4))
def test_no_parameters_do_anything_but_be_understood_or_refused(params: dict[str, str]) -> None:
    found = understood(params)

    assert found is None or RunQuery.from_params(found.params()) == found


@given(st.text(max_size=60) | st.text('"“=＝ ab.', max_size=12))
@example("0=\x85=")
@example('“a” "b"')
def test_nothing_that_was_typed_is_lost(text: str) -> None:
    found = parsed(text)

    kept = " ".join([found.rest, *found.fields, *found.fields.values(), *found.problems.values()])
    assert all(sign in kept or sign in '"“”„＂=＝' or sign.isspace() for sign in text)
