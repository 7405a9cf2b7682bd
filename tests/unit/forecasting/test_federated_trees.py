"""Trees grown from the sums of stores: the same trees as from the stores' pooled rows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.forecasting.core.binning import Bins, agree, binned, sketch
from neural.forecasting.core.encoding import encode
from neural.forecasting.core.protocol import AnswerRefused, Json, Memory
from neural.forecasting.core.trees.forest import (
    Form,
    PartialForest,
    begin,
    features_taken,
    rows_taken,
)
from neural.forecasting.core.trees.growing import (
    added,
    advanced,
    bounded,
    layout,
    sums_as_json,
    sums_from_json,
)
from neural.forecasting.core.trees.sums import (
    STEPS,
    Sums,
    TreeRows,
    joined,
    outlying,
    rows_of,
    sums,
    whole_derivatives,
)

FEATURES = 6
FORM = Form(stages=5, together=2, depth=3, learning_rate=0.3, least_hessian=5.0, ridge=1.0)


def world(stores: int = 5, examples: int = 300) -> tuple[Bins, dict[str, TreeRows]]:
    """Stores whose demand depends on three of six features; the last one is constant."""
    random = np.random.default_rng(7)
    values = random.normal(size=(stores, examples, FEATURES)).astype(np.float32)
    values[:, :, 4] = values[:, :, 4] > 0
    values[:, :, 5] = 1
    offset = np.log(random.uniform(5, 50, (stores, examples)))
    effect = 0.4 * np.sin(2 * values[:, :, 0]) + 0.4 * values[:, :, 4] * (values[:, :, 1] > 0)
    target = random.poisson(np.exp(offset + effect)).astype(float)
    bins = agree(sketches=[sketch(values=each) for each in values], bins=16, features=FEATURES)
    rows = {
        f"store-{number:02d}": rows_of(
            store=f"store-{number:02d}",
            codes=binned(values=values[number], bins=bins),
            offset=offset[number],
            target=target[number],
        )
        for number in range(stores)
    }
    return bins, rows


BINS, STORES = world()
POOLED = joined(list(STORES.values()))
UNIT = float(POOLED.target.mean())
FOREST = begin(form=FORM, bins=BINS, unit=UNIT)


def train(
    groups: Sequence[TreeRows],
    *,
    forest: PartialForest = FOREST,
    forget: bool = False,
    spoil: Callable[[str, Sums], Sums] = lambda _, found: found,
) -> PartialForest:
    """A forest to its end, by JSON; with ``forget`` no store remembers anything."""
    memories: list[Memory] = [{} for _ in groups]
    while not forest.is_complete:
        forest = PartialForest.from_json(json.loads(json.dumps(forest.as_json())))
        answers = {}
        for rows, memory in zip(groups, memories, strict=True):
            if forget:
                memory.clear()
            found = sums(forest=forest, rows=rows, memory=memory).sums
            answer = sums_as_json(spoil(rows.stores[0], found))
            answers[rows.stores[0]] = sums_from_json(forest=forest, answer=answer)
        forest = advanced(forest=forest, answers=answers).forest
    return forest


def deviance(forest: PartialForest, rows: TreeRows = POOLED) -> float:
    """Poisson deviance per example."""
    mean = np.exp(rows.offset + forest.finished.margins(rows.codes))
    ratio = np.where(rows.target > 0, rows.target, 1.0) / mean
    return float(2 * np.mean(rows.target * np.log(ratio) - (rows.target - mean)))


TRAINED = train(list(STORES.values()))


@settings(max_examples=15, deadline=None)
@given(groups=st.lists(st.integers(0, 2), min_size=len(STORES), max_size=len(STORES)))
def test_sums_of_stores_equal_the_sums_of_their_pooled_rows_exactly(groups: list[int]) -> None:
    parts = [
        joined([rows for rows, each in zip(STORES.values(), groups, strict=True) if each == group])
        for group in sorted(set(groups))
    ]
    finished = replace(TRAINED, finished=TRAINED.finished, form=replace(FORM, stages=9))

    by_group = added([sums(forest=finished, rows=each, memory={}).sums for each in parts])

    pooled = sums(forest=finished, rows=POOLED, memory={}).sums
    assert np.array_equal(by_group.gradient, pooled.gradient)
    assert np.array_equal(by_group.hessian, pooled.hessian)


def test_trees_grown_from_sums_equal_those_grown_from_pooled_rows() -> None:
    assert train([POOLED]).as_json() == TRAINED.as_json()


def test_the_sums_are_those_of_the_derivatives_by_bin() -> None:
    found = sums(forest=FOREST, rows=POOLED, memory={}).sums
    gradient, hessian = whole_derivatives(rows=POOLED, margin=np.zeros(len(POOLED.keys)), unit=UNIT)
    part = layout(FOREST)[1]
    taken = rows_taken(form=FORM, stage=0, tree=1, keys=POOLED.keys)
    count = int(part.counts[0])
    first = slice(part.slice.start, part.slice.start + count)
    of_bin = [taken[POOLED.codes[part.features[0], taken] == each] for each in range(count)]

    assert found.gradient[first].tolist() == [gradient[each].sum() for each in of_bin]
    assert found.hessian[first].tolist() == [hessian[each].sum() for each in of_bin]


def test_derivatives_are_those_of_half_the_poisson_deviance() -> None:
    rows = rows_of(store="a", codes=POOLED.codes[:, :50], offset=POOLED.offset[:50],
                   target=POOLED.target[:50], weight=3.0)  # fmt: skip
    margin = np.linspace(-1, 1, 50)

    gradient, hessian = whole_derivatives(rows=rows, margin=margin, unit=2.0)

    def loss(at: np.ndarray) -> np.ndarray:
        return 1.5 * (np.exp(rows.offset + at) - rows.target * (rows.offset + at))

    step = 1e-4
    slope = (loss(margin + step) - loss(margin - step)) / (2 * step)
    bend = (loss(margin + step) - 2 * loss(margin) + loss(margin - step)) / step**2
    assert gradient / STEPS == pytest.approx(slope, abs=1e-3)
    assert hessian / STEPS == pytest.approx(bend, rel=1e-3)
    assert np.array_equal(gradient, np.rint(gradient))


def test_what_is_forgotten_between_exchanges_changes_nothing() -> None:
    assert train(list(STORES.values()), forget=True).as_json() == TRAINED.as_json()


def test_what_is_remembered_of_another_forest_is_not_used() -> None:
    other = train([POOLED], forest=begin(form=replace(FORM, seed=1), bins=BINS, unit=UNIT))
    memory: Memory = {}
    sums(forest=replace(other, form=replace(other.form, stages=9)), rows=POOLED, memory=memory)
    asked = replace(TRAINED, form=replace(FORM, stages=9))

    found = sums(forest=asked, rows=POOLED, memory=memory).sums

    assert np.array_equal(found.gradient, sums(forest=asked, rows=POOLED, memory={}).sums.gradient)


def test_a_level_that_is_asked_for_again_gets_the_same_answer() -> None:
    memory: Memory = {}
    first = sums(forest=FOREST, rows=POOLED, memory=memory).sums
    deeper = advanced(forest=FOREST, answers={"all": first}).forest
    second = sums(forest=deeper, rows=POOLED, memory=memory).sums

    assert np.array_equal(sums(forest=deeper, rows=POOLED, memory=memory).sums, second)
    assert np.array_equal(sums(forest=FOREST, rows=POOLED, memory=memory).sums, first)


def test_the_larger_of_two_siblings_is_what_is_left_exactly() -> None:
    forest, memory = FOREST, {}
    for _ in range(2):
        found = sums(forest=forest, rows=POOLED, memory=memory).sums
        forest = advanced(forest=forest, answers={"all": found}).forest

    subtracted = sums(forest=forest, rows=POOLED, memory=memory).sums

    anew = sums(forest=forest, rows=POOLED, memory={}).sums
    assert np.array_equal(subtracted.gradient, anew.gradient)
    assert np.array_equal(subtracted.hessian, anew.hessian)


def test_sums_too_large_to_be_added_up_together_are_the_same() -> None:
    heavy = replace(POOLED, weights=np.full(len(POOLED.stores), 2.0**20))

    found = sums(forest=FOREST, rows=heavy, memory={}).sums

    part = layout(FOREST)[0]
    taken = rows_taken(form=FORM, stage=0, tree=0, keys=heavy.keys)
    _, hessian = whole_derivatives(rows=heavy, margin=np.zeros(len(heavy.keys)), unit=UNIT)
    assert found.hessian[: int(part.counts[0])].sum() == hessian[taken].sum()
    assert sums_as_json(found)["hessian"]["dtype"] == "<i8"


def test_the_loss_falls_with_every_stage() -> None:
    trees = TRAINED.finished
    losses = []
    for stage in range(FORM.stages + 1):
        end = slice(0, stage * FORM.together)
        fewer = replace(
            trees, feature=trees.feature[end], threshold=trees.threshold[end],
            value=trees.value[end],
        )  # fmt: skip
        losses.append(deviance(replace(TRAINED, finished=fewer)))

    assert all(later < earlier for earlier, later in pairwise(losses))
    assert losses[-1] < 0.5 * losses[0]


def test_a_prediction_follows_the_splits_from_root_to_leaf() -> None:
    trees = TRAINED.finished

    def walked(code: np.ndarray) -> float:
        total = 0.0
        for tree in range(len(trees)):
            node = 0
            while node < trees.feature.shape[1]:
                above = code[trees.feature[tree, node]] > trees.threshold[tree, node]
                node = 2 * node + 1 + bool(above)
            total += float(trees.value[tree, node - trees.feature.shape[1]])
        return total

    margins = trees.margins(POOLED.codes)

    assert margins[:40].tolist() == [walked(POOLED.codes[:, row]) for row in range(40)]


def test_leaves_are_whole_multiples_so_that_their_sums_are_exact() -> None:
    leaves = TRAINED.finished.value.astype(np.float64) * 2**20

    assert np.array_equal(leaves, np.rint(leaves))
    assert len(np.unique(leaves)) > 20


def test_margins_do_not_depend_on_what_else_is_predicted() -> None:
    margins = TRAINED.finished.margins(POOLED.codes)

    alone = [TRAINED.finished.margins(POOLED.codes[:, [row]])[0] for row in range(30)]
    early = TRAINED.finished.margins(POOLED.codes, first=4)

    assert alone == margins[:30].tolist()
    assert np.abs(margins - early).max() > 0


def test_the_same_seed_grows_the_same_trees_and_another_others() -> None:
    other = begin(form=replace(FORM, seed=1), bins=BINS, unit=UNIT)

    assert train([POOLED]).as_json() == train([POOLED]).as_json()
    assert not np.array_equal(train([POOLED], forest=other).finished.value, TRAINED.finished.value)


def test_trees_side_by_side_divide_the_rows_and_rotate_the_features() -> None:
    form = Form(together=4, row_share=0.25, feature_share=0.25)
    keys = np.arange(1000, dtype=np.uint32)
    counts = np.array([1, *[4] * 8, 1], dtype=np.int64)

    rows = [rows_taken(form=form, stage=3, tree=tree, keys=keys) for tree in range(4)]
    features = [features_taken(form=form, stage=3, tree=tree, counts=counts) for tree in range(4)]

    assert sorted(np.concatenate(rows).tolist()) == keys.tolist()
    assert all(200 < len(each) < 300 for each in rows)
    assert all(len(each) == 2 for each in features)
    assert not {0, 9} & set(np.concatenate(features).tolist())


def test_a_share_of_one_takes_every_row() -> None:
    form = Form(row_share=1.0)

    taken = rows_taken(form=form, stage=0, tree=0, keys=np.arange(10, dtype=np.uint32))

    assert taken.tolist() == list(range(10))


def test_without_a_feature_that_varies_a_tree_is_one_leaf() -> None:
    constant = agree(sketches=[sketch(values=np.ones((100, 2)))], bins=8, features=2)
    rows = rows_of(store="a", codes=np.zeros((2, 100), dtype=np.uint8),
                   offset=np.zeros(100), target=np.full(100, 2.0))  # fmt: skip
    form = Form(stages=30, together=1, depth=2, learning_rate=0.5, row_share=1.0, ridge=0.0)

    done = train([rows], forest=begin(form=form, bins=constant, unit=1.0))

    assert np.exp(done.finished.margins(rows.codes)) == pytest.approx(np.full(100, 2.0), rel=1e-3)


def test_rows_without_a_known_target_count_nothing() -> None:
    target = np.array([1.0, np.nan, 3.0])

    rows = rows_of(
        store="a", codes=np.zeros((1, 3), dtype=np.uint8), offset=np.zeros(3), target=target
    )

    assert rows.target.tolist() == [1.0, 3.0]


def test_three_hostile_stores_of_thirty_five_are_left_out() -> None:
    bins, stores = world(stores=35, examples=120)
    hostile = list(stores)[::12]
    honest = joined([rows for name, rows in stores.items() if name not in hostile])
    start = begin(form=FORM, bins=bins, unit=UNIT)

    def spoil(store: str, found: Sums) -> Sums:
        return Sums(found.gradient * -10, found.hessian) if store in hostile else found

    clean = deviance(train(list(stores.values()), forest=start), honest)
    attacked = deviance(train(list(stores.values()), forest=start, spoil=spoil), honest)

    assert attacked < 1.02 * clean


def test_who_is_left_out_once_stays_out() -> None:
    forest = FOREST
    while not forest.is_complete:
        answers = {
            name: sums(forest=forest, rows=rows, memory={}).sums for name, rows in STORES.items()
        }
        honest = {name: each for name, each in answers.items() if name != "store-02"}
        if forest.stage == forest.level == 0:
            hostile = answers["store-02"]
            answers["store-02"] = Sums(hostile.gradient * -100, hostile.hessian)
        expected = advanced(forest=forest, answers=honest).forest
        forest, left_out = advanced(forest=forest, answers=answers)

        assert left_out == ("store-02",)
        assert replace(forest, left_out=()).as_json() == replace(expected, left_out=()).as_json()


def test_stores_that_add_up_together_leave_out_the_one_that_is_far_from_them() -> None:
    strange = replace(STORES["store-01"], target=STORES["store-01"].target * 40)
    parts = [strange if name == "store-01" else rows for name, rows in STORES.items()]
    honest = joined([rows for name, rows in STORES.items() if name != "store-01"])

    found = sums(forest=FOREST, rows=joined(parts), memory={})

    assert found.left_out == ("store-01",)
    assert np.array_equal(
        found.sums.gradient, sums(forest=FOREST, rows=honest, memory={}).sums.gradient
    )


def test_two_stores_do_not_judge_each_other() -> None:
    judged = outlying(gradient=np.array([1.0, 1000.0]), hessian=np.array([10.0, 10.0]))

    assert not judged.any()


def times(found: Sums, gradient: int, hessian: int = 1) -> Sums:
    return Sums(found.gradient * gradient, found.hessian * hessian)


def of_store(name: str) -> Sums:
    return sums(forest=FOREST, rows=STORES[name], memory={}).sums


def of_group(*names: str) -> Sums:
    return sums(forest=FOREST, rows=joined([STORES[name] for name in names]), memory={}).sums


def test_a_group_of_stores_is_not_left_out_for_being_unlike_others() -> None:
    group = times(of_group("store-00", "store-01"), -10)
    singles = {name: of_store(name) for name in ("store-02", "store-03", "store-04")}

    found = advanced(forest=FOREST, answers={"store-00": group, **singles}, stores={"store-00": 2})

    assert found.left_out == ()


@pytest.mark.parametrize("grouped", [2, 4])
def test_one_store_is_judged_beside_groups_too(grouped: int) -> None:
    names = list(STORES)
    answers = {"store-00": of_group(*names[:grouped])}
    answers |= {name: of_store(name) for name in names[grouped:]}
    hostile = {**answers, "store-04": times(answers["store-04"], -1000)}

    honest = advanced(forest=FOREST, answers=answers, stores={"store-00": grouped})
    found = advanced(forest=FOREST, answers=hostile, stores={"store-00": grouped})

    assert honest.left_out == ()
    assert found.left_out == ("store-04",)


def test_no_store_weighs_more_than_ten_ordinary_ones_however_large_its_sums() -> None:
    answers = {name: of_store(name) for name in STORES}
    huge, ten = (
        advanced(forest=FOREST, answers={**answers, "store-02": times(answers["store-02"], of, of)})
        for of in (100_000, 1_000)
    )
    all_of_them = sum(int(answers[name].hessian.sum()) for name in STORES)
    bound = bounded(
        forest=FOREST,
        answers={**answers, "store-02": times(answers["store-02"], 100_000, 100_000)},
        stores={},
    )

    assert huge.forest.as_json() == ten.forest.as_json()
    assert huge.left_out == ()
    assert added(bound).hessian.sum() < 4 * all_of_them


def test_large_stores_and_groups_keep_their_weight() -> None:
    answers = {name: of_store(name) for name in STORES}
    answers["store-02"] = times(answers["store-02"], 5, 5)
    answers["store-03"] = times(answers["store-03"], 1_000, 1_000)

    found = bounded(forest=FOREST, answers=answers, stores={"store-03": 3})

    for sent, kept in zip(answers.values(), found, strict=True):
        assert np.array_equal(sent.hessian, kept.hessian)


def test_a_small_store_may_scatter_as_the_root_of_its_size() -> None:
    hessian = np.array([100.0, 100.0, 100.0, 1.0])

    honest = outlying(gradient=np.array([10.0, 10.0, 10.0, 3.9]), hessian=hessian)
    wild = outlying(gradient=np.array([10.0, 10.0, 10.0, 4.1]), hessian=hessian)

    assert honest.tolist() == [False] * 4
    assert wild.tolist() == [False, False, False, True]


def test_without_any_answer_no_level_grows() -> None:
    with pytest.raises(AnswerRefused) as refused:
        advanced(forest=FOREST, answers={})

    assert refused.value.reason == "too_few"


def _floats(answer: Json, value: float) -> Json:
    length = answer["gradient"]["shape"][0]
    return {**answer, "gradient": encode(np.full(length, value), dtype="<f8")}


def _changed(answer: Json, part: str, value: int) -> Json:
    size = answer[part]["shape"][0]
    return {**answer, part: encode(np.full(size, value, dtype=np.int64))}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda answer: _floats(answer, np.nan), "wrong_type"),
        (lambda answer: _floats(answer, np.inf), "wrong_type"),
        (lambda answer: {**answer, "rows": 1}, "wrong_keys"),
        (lambda answer: None, "wrong_keys"),
        (lambda answer: {**answer, "hessian": 3}, "wrong_type"),
        (lambda answer: {**answer, "hessian": encode(np.zeros(3), dtype="<i4")}, "wrong_shape"),
        (lambda answer: _changed(answer, "hessian", -1), "out_of_range"),
        (lambda answer: _changed(answer, "gradient", 2**60), "out_of_range"),
        (lambda answer: _changed(answer, "gradient", -(2**63)), "out_of_range"),
        (lambda answer: _changed(answer, "gradient", 1), "inconsistent"),
    ],
)
def test_bad_sums_are_refused(spoil: Callable[[Json], object], reason: str) -> None:
    answer = sums_as_json(sums(forest=FOREST, rows=POOLED, memory={}).sums)

    with pytest.raises(AnswerRefused) as refused:
        sums_from_json(forest=FOREST, answer=spoil(answer))

    assert refused.value.reason == reason


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan, np.inf])
def test_a_chain_without_demand_grows_no_trees(unit: float) -> None:
    with pytest.raises(AnswerRefused):
        begin(form=FORM, bins=BINS, unit=unit)


def test_a_forest_of_another_form_is_refused() -> None:
    written = FOREST.as_json()
    written["form"].pop("seed")

    with pytest.raises(AnswerRefused):
        PartialForest.from_json(written)
