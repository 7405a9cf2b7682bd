"""The gate: sums of stores, the deviance of a row, and what a candidate must beat."""

import pytest

from neural.forecasting.core.evaluation import add_up, deviance, judge


def sums(mean: float, count: float = 10) -> dict[str, float]:
    return {"deviance": mean * count, "count": count}


BEATEN = {"active": sums(1.1), "seasonal_naive": sums(2.0), "weekday_mean": sums(1.5)}


def test_better_than_all_three_is_better():
    assert judge([{"candidate": sums(1.0), **BEATEN}]).better


@pytest.mark.parametrize("method", BEATEN)
def test_worse_than_one_of_them_is_not(method):
    verdict = judge([{"candidate": sums(1.0), **BEATEN, method: sums(0.9)}])

    assert (verdict.better, verdict.reason) == (False, "no_better")
    assert verdict.detail == f"{method}: 0.9000, candidate: 1.0000"


def test_a_refusal_names_every_method_that_is_better():
    better = {"active": sums(0.8), "weekday_mean": sums(0.9)}

    verdict = judge([{"candidate": sums(1.0), **BEATEN, **better}])

    both = ["active: 0.8000, candidate: 1.0000", "weekday_mean: 0.9000, candidate: 1.0000"]
    assert verdict.detail == "; ".join(both)


def stores_of(*active: float):
    return [{"candidate": sums(1.0), **BEATEN, "active": sums(each)} for each in active]


def test_what_the_spread_between_the_stores_explains_refuses_no_candidate():
    """Half of the stores are a little better off with the active version, and half worse."""
    assert judge(stores_of(0.6, 1.4, 0.6, 1.4)).better


def test_what_it_does_not_explain_refuses_one():
    """All stores agree about a difference that is as small on the mean."""
    assert not judge(stores_of(0.90, 0.92, 0.90, 0.92)).better


def test_the_first_version_has_no_active_one_to_beat():
    simple = {name: value for name, value in BEATEN.items() if name != "active"}

    assert judge([{"candidate": sums(1.0), **simple}]).better


@pytest.mark.parametrize(
    "totals",
    [
        {},
        {"candidate": sums(1.0)},
        BEATEN,
        {"candidate": sums(0, 0), **BEATEN},
        {"candidate": {"deviance": float("nan"), "count": 3}, **BEATEN},
        {"candidate": {"count": 3}, **BEATEN},
    ],
)
def test_what_was_not_judged_is_not_published(totals):
    assert judge([totals]).reason == "not_judged"


def test_stores_weigh_by_their_rows():
    totals = add_up([{"candidate": sums(1.0, 90)}, {"candidate": sums(3.0, 10)}])

    assert deviance(totals["candidate"]) == pytest.approx(1.2)


def test_the_order_of_the_stores_changes_nothing():
    stores = [{"candidate": sums(0.1 * n, 1 + n)} for n in range(20)]

    assert add_up(stores) == add_up(reversed(stores))


def test_a_method_that_only_some_stores_know_is_added_up_over_those():
    totals = add_up([{"a": sums(1.0), "b": sums(2.0)}, {"a": sums(1.0)}])

    assert (totals["a"]["count"], totals["b"]["count"]) == (20, 10)


HONEST = [{"candidate": sums(1.0), **BEATEN} for _ in range(10)]
WORSE = [{"candidate": sums(1.6), **BEATEN} for _ in range(10)]


def test_nothing_was_judged_without_a_store():
    assert judge([]).reason == "not_judged"


@pytest.mark.parametrize("claim", [1e3, 1e17])
@pytest.mark.parametrize("count", [1.0, 10.0, 1e15])
def test_one_store_in_ten_that_lies_cannot_keep_a_better_model_back(claim, count):
    liar = {**HONEST[0], "candidate": {"deviance": claim * count, "count": count}}
    liar |= {name: {**each, "count": count} for name, each in BEATEN.items()}

    assert judge([*HONEST[1:], liar]).better


@pytest.mark.parametrize("count", [1.0, 10.0, 1e15])
def test_nor_have_a_worse_one_published(count):
    liar = {name: {"deviance": 1e17, "count": count} for name in BEATEN}
    liar["candidate"] = {"deviance": 0.0, "count": count}

    assert not judge([*WORSE[1:], liar]).better


def test_a_store_whose_figures_are_all_large_does_not_decide_alone():
    """Its own claim: the candidate is worse, at a thousand times the others' deviance."""
    loud = {"candidate": sums(2000.0), **{name: sums(1500.0) for name in BEATEN}}

    assert judge([*HONEST[1:], loud]).better
