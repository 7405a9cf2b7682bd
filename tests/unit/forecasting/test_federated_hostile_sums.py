"""What one hostile store in ten can do by its sums: to the bands, and to the bins of the trees."""

import json

import numpy as np
import pytest

from neural.forecasting.core import evaluation
from neural.forecasting.core.dispersion import SUMS
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.expectation import forecast
from neural.forecasting.core.participant import simulate
from neural.forecasting.core.phases.judge import bounded, check_residuals
from neural.forecasting.core.protocol import AnswerRefused, check_answer
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from tests.unit.forecasting.chains import SMALL, chain

pytestmark = pytest.mark.slow

HOSTILE = "S03"


def trained(tamper=None):
    return simulate(kind=DEMAND_FORECAST, config=SMALL, stores=chain(10), tamper=tamper)


def by(kind, change):
    """What the hostile store sends instead when it is asked this."""

    def tamper(store, question, answer):
        if store == HOSTILE and question.kind == kind:
            return change(json.loads(json.dumps(answer)))
        return answer

    return tamper


def scattering(**times):
    """Its sums of residuals, so many times as large."""

    def change(answer):
        for half in answer["residuals"].values():
            for name, factor in times.items():
                half[name] = [each * factor for each in half[name]]
        return answer

    return by("calibrate", change)


def figures(found):
    """Of the honest stores together."""
    own = [each["figures"]["candidate"] for name, each in found.judged.items() if name != HOSTILE]
    return evaluation.figures(evaluation.add_up([{"candidate": each} for each in own])["candidate"])


@pytest.fixture(scope="module")
def clean():
    return trained()


ATTACKS = {
    "errors as large as may be": {"ratio": 300.0, "residual": 300.0},
    "rows without end": dict.fromkeys(SUMS, 1e9) | {"ratio": 1e10, "residual": 1e10},
    "a demand beyond all others": {"mean": 1e5, "square": 1e10, "residual": 0.0},
    "no errors at all": {"ratio": 0.0, "residual": 0.0},
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_one_hostile_store_does_not_decide_how_wide_bands_are(clean, attack):
    found = trained(scattering(**ATTACKS[attack]))

    assert found.refused == {}
    assert figures(found)["coverage"] == pytest.approx(figures(clean)["coverage"], abs=0.08)
    for name, sales in chain(10).items():
        before, after = (forecast(each.server_state, sales)[0] for each in (clean, found))
        assert after.p50[0] == pytest.approx(before.p50[0], rel=0.1, abs=1), name
        assert after.p90[0] == pytest.approx(before.p90[0], rel=0.25), name


def test_sums_to_which_no_residuals_add_up_are_refused(clean):
    sums = {name: [10.0] * 3 for name in SUMS}
    check_residuals({"even": sums, "odd": sums})

    for impossible in ({"ratio": 4001.0}, {"residual": 4001.0}, {"square": 9.9}, {"count": 0.0}):
        wrong = sums | {name: [value] * 3 for name, value in impossible.items()}
        with pytest.raises(AnswerRefused, match="no residuals"):
            check_residuals({"even": sums, "odd": wrong})


def test_honest_stores_of_all_sizes_are_left_as_they_are():
    def of(level):
        """Sums of 100 rows of about this demand, with alpha 0.05."""
        row = {"count": 1.0, "mean": level, "square": level**2}
        row |= {"ratio": 1 + 0.05 * level, "residual": level + 0.05 * level**2}
        return {half: {name: [50 * row[name]] * 3 for name in SUMS} for half in ("even", "odd")}

    parts = [of(level) for level in (2.0, 5.0, 10.0, 50.0, 100.0, 100.0)]

    for found, given in zip(bounded(parts), parts, strict=True):
        for half in given:
            for name in SUMS:
                assert found[half][name] == pytest.approx(given[half][name])


def test_one_hostile_store_does_not_decide_the_bins_of_the_trees(clean):
    def far_away(answer):
        shape = decode(answer["sketch"]["points"], dtype="<f4", shape=(None, None)).shape
        points = np.linspace(1e3, 2e3, shape[0] * shape[1], dtype="f4").reshape(shape)
        counts = np.full(shape, 1e9, dtype="f4")
        answer["sketch"] = {"points": encode(points), "counts": encode(counts)}
        return answer

    found = trained(by("describe", far_away))

    assert figures(found)["wape"] < 1.02 * figures(clean)["wape"]


@pytest.mark.parametrize(("gradient", "hessian"), [(-1000, 1000), (-3000, 1000)])
def test_one_hostile_store_does_not_decide_the_trees_by_sums_that_are_in_proportion(
    clean, gradient, hessian
):
    """A gradient that long for its hessian is no outlier; what bounds it is its weight."""

    def huge(answer):
        for name, factor in (("gradient", gradient), ("hessian", hessian)):
            sent = answer["sums"][name]
            values = decode(sent, dtype=sent["dtype"], shape=(None,)).astype(np.int64)
            answer["sums"][name] = encode(values * factor, dtype="<i8")
        return answer

    found = trained(by("grow", huge))

    assert found.refused == {}
    assert figures(found)["wape"] < 1.1 * figures(clean)["wape"]


def test_a_group_answers_as_many_stores_beside_stores_that_answer_alone():
    """What a group added up is taken whatever it is like; who answers alone is judged."""
    stores = {name: (sales, {}) for name, sales in chain(10).items()}
    step = DEMAND_FORECAST.program.begin(SMALL, None)
    while step.question.kind != "grow":
        answers = {name: answer_of(step, name, stores) for name in stores}
        step = DEMAND_FORECAST.program.go_on(SMALL, step.server_state, step.question, answers)
    grouped = {name: stores[name] for name in list(stores)[:7] if name != HOSTILE}
    group, refused = DEMAND_FORECAST.answer_together(
        SMALL, step.server_state, step.question, grouped
    )
    alone = {name: answer_of(step, name, stores) for name in stores if name not in grouped}
    sent = alone[HOSTILE]["sums"]["gradient"]
    alone[HOSTILE]["sums"]["gradient"] = encode(
        decode(sent, dtype=sent["dtype"], shape=(None,)).astype(np.int64) * -1000
    )

    check_answer(DEMAND_FORECAST.program, SMALL, step, group, asked=len(grouped))
    step = DEMAND_FORECAST.program.go_on(
        SMALL, step.server_state, step.question, {next(iter(grouped)): group, **alone}
    )

    assert refused == {}
    assert step.refused == {HOSTILE: "outlier"}


def answer_of(step, name, stores):
    return DEMAND_FORECAST.answer(SMALL, step.server_state, step.question, *stores[name])


@pytest.mark.parametrize("claim", [2, 0, True, None])
def test_how_many_stores_an_answer_is_of_is_the_askers_to_say(clean, claim):
    """Else who claims to be a group is not judged beside the others: its gradient times -1,000
    was taken."""

    def many(answer):
        return {**answer, "stores": claim}

    found = trained(by("grow", many))

    assert set(found.refused) == {HOSTILE}
    assert found.refused[HOSTILE].startswith("out_of_range: stores is not 1")
