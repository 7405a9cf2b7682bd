"""The demand forecast's program: what stores are asked in turn, and what answers add up to. Pure.

describe → fit, several times → spread → grow, level by level → calibrate → judge. If the judged
candidate is better than what is there, it is refitted with the days that were kept for judging:
fit → grow → confirm. Answers are taken in order of the stores' codes and every sum is exact, so
that whoever coordinates comes to the same draft. (The one exception is meant: noise, where
differential privacy is asked for.)
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from neural.forecasting.core import aggregation, binning, gate, glm, judging, personal, privacy
from neural.forecasting.core.client import ALLOWED, DESCRIPTION, is_private
from neural.forecasting.core.demand_model import SIZE, DemandModel
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.features import FEATURES, SCHEMA_HASH
from neural.forecasting.core.glm import Standard
from neural.forecasting.core.protocol import AnswerRefused, Json, Question, Step, TrainingConfig
from neural.forecasting.core.series import HORIZONS, FloatArray
from neural.forecasting.core.trees import growing, trees
from neural.forecasting.core.trees import judging as trees_judging
from neural.forecasting.core.trees.form import Form

MOST_DISHES = 1000
LARGEST_MEAN = 1e3
"""No feature's mean is beyond it: they are logarithms of ratios, shares and flags."""
LARGEST_DEMAND = 1e12
STORES_OF_A_LEVEL = 3
"""So many stores sell a dish before its usual level is told to others."""
STORES_TO_TRIM = 5
"""From so many stores on, the extremes of what describes them are cut."""
PRIVATE_SCALE, PRIVATE_VARIANCE = 0.5, 0.01
"""With differential privacy the standard and the prior variance are not learned: they would tell
of stores outside the account."""

Answers = Mapping[str, Json]


def mark(*parts: object) -> str:
    """A short name for the state of a draft, by which an answer says what it was made from."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def expected_exchanges(config: TrainingConfig) -> int:
    """How many exchanges a round has, if its candidate is good enough to be refitted."""
    form = form_of(config)
    of_trees = form.exchanges if form else 0
    once = 1 + config.fit_exchanges + (not is_private(config)) + of_trees + 2
    return once + (_refits(config) + of_trees + 1 if _refits(config) else 0)


def _refits(config: TrainingConfig) -> int:
    """How many exchanges of the linear model a refit has. None where each would cost privacy."""
    return 0 if is_private(config) else min(config.refit_exchanges, config.fit_exchanges)


def form_of(config: TrainingConfig) -> Form | None:
    """In what form trees are grown; None for none."""
    if not config.trees or is_private(config):
        return None
    together = min(config.trees_together, config.trees)
    return Form(
        stages=math.ceil(config.trees / together),
        together=together,
        depth=config.tree_depth,
        learning_rate=config.learning_rate,
        seed=config.seed,
    )


def releases(question: Question) -> bool:
    """Whether answers to this question become a noisy release."""
    return question.kind == "fit"


class DemandProgram:
    """The coordinator's arithmetic."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """Ask for descriptions."""
        known = active if active and active.get("model", {}).get("schema") == SCHEMA_HASH else None
        draft = {"active": known and known["model"]}
        return Step(draft, Question(kind="describe", number=1, content={"base": SCHEMA_HASH[:16]}))

    def check(self, config: TrainingConfig, draft: Json, question: Question, answer: Json) -> None:
        """Refuse an answer with other keys, from another state of the draft, out of range."""
        if not isinstance(answer, dict) or set(answer) != ALLOWED[question.kind]:
            raise AnswerRefused("wrong_keys", f"not those of {question.kind}")
        if answer["base"] != question.content["base"]:
            raise AnswerRefused("wrong_version", f"made from {str(answer['base'])[:16]!r}")
        if "examples" in answer:
            # Of a store that was closed on all days that it kept back there is nothing to judge by.
            least = 0 if question.kind == "judge" else 1
            _check_examples(config, answer["examples"], least=least)
        _CHECKS[question.kind](config, draft, answer)

    def go_on(
        self, config: TrainingConfig, draft: Json, question: Question, answers: Answers
    ) -> Step:
        """The next question from the good answers."""
        if not answers:
            raise aggregation.TooFewUpdates(found=0, needed=1)
        ordered = {store: answers[store] for store in sorted(answers)}
        changed = _STEPS[question.kind](config, draft, question, ordered)
        refused = changed.pop("refused", {})
        grown = {**draft, **changed}
        kind = _next(config, grown, question)
        if kind is None:
            return Step({key: grown[key] for key in ("model", "quality")}, None, refused)
        return Step(grown, _question(grown, kind, question.number + 1), refused)


def _next(config: TrainingConfig, draft: Json, question: Question) -> str | None:
    """What is asked after this question."""
    kind = question.kind
    if kind == "fit" and draft["fits"] < config.fit_exchanges:
        return "fit"
    if kind == "grow" and not trees.Draft.from_json(draft["model"]["forest"]).is_complete:
        return "grow"
    if kind == "judge":
        return "fit" if "judged_model" in draft else None
    order = ["describe", "fit", "spread", "grow", "calibrate", "judge"]
    if "judged_model" in draft:
        order = ["fit", "grow", "confirm"]
    if is_private(config):
        order.remove("spread")
    if form_of(config) is None:
        order.remove("grow")
    place = order.index(kind) + 1
    return order[place] if place < len(order) else None


def _question(draft: Json, kind: str, number: int) -> Question:
    model = draft["model"]
    forest = model["forest"]
    state = forest and (forest["finished"]["value"]["shape"], forest["feature"]["shape"])
    base = mark(kind, number, model["weights"]["data"], state)
    return Question(
        kind=kind,
        number=number,
        content={"base": base},
        together=kind == "grow",
        judges=kind in ("calibrate", "judge"),
    )


# What answers must be


def _check_examples(config: TrainingConfig, examples: object, *, least: int) -> None:
    if type(examples) is not int or examples < least:
        raise AnswerRefused("wrong_type", f"examples is no whole number from {least} on")
    if examples > config.history_days * MOST_DISHES * HORIZONS:
        raise AnswerRefused("too_many_examples", "more than a store can have")


def _check_describe(config: TrainingConfig, draft: Json, answer: Json) -> None:
    if is_private(config):
        if any(answer[name] is not None for name in DESCRIPTION):
            raise AnswerRefused("wrong_type", "a private round asks for no description")
        return
    demand = answer["demand"]
    if not isinstance(demand, float) or not 0 <= demand < LARGEST_DEMAND:
        raise AnswerRefused("out_of_range", "demand")
    mean = decode(answer["mean"], dtype="<f8", shape=(len(FEATURES),))
    square = decode(answer["square"], dtype="<f8", shape=(len(FEATURES),))
    if (np.abs(mean) > LARGEST_MEAN).any() or (square < mean**2 * (1 - 1e-6) - 1e-9).any():
        raise AnswerRefused("out_of_range", "means and squares of features")
    if (square > LARGEST_MEAN**2).any():
        raise AnswerRefused("out_of_range", "squares of features")
    if config.trees:
        binning.check_sketch(answer["sketch"], features=len(FEATURES))
    _check_levels(answer["levels"])


def _check_levels(levels: object) -> None:
    if not isinstance(levels, dict) or len(levels) > MOST_DISHES:
        raise AnswerRefused("wrong_type", "levels is no table of dishes")
    for dish, level in levels.items():
        if not isinstance(dish, str) or len(dish) > 200 or not isinstance(level, float):
            raise AnswerRefused("wrong_type", "a level of a dish")
        if not 0 <= level < 1e9:
            raise AnswerRefused("out_of_range", "a level of a dish")


def _check_fit(config: TrainingConfig, draft: Json, answer: Json) -> None:
    update = decode(answer["update"], dtype="<f8", shape=(SIZE,))
    if not isinstance(answer["demand"], float) or not 0 < answer["demand"] < LARGEST_DEMAND:
        raise AnswerRefused("out_of_range", "demand")
    length = aggregation.update_norm(update)
    if length > config.clipping_norm * (1 + 1e-9):
        raise AnswerRefused("norm", f"{length:.3g} is longer than {config.clipping_norm:g}")
    if not isinstance(answer["update_norm"], float) or answer["update_norm"] != length:
        raise AnswerRefused("out_of_range", "update_norm is not the update's")


def _check_spread(config: TrainingConfig, draft: Json, answer: Json) -> None:
    excess = decode(answer["excess"], dtype="<f8", shape=(SIZE,))
    if (np.abs(excess) > personal.LARGEST_VARIANCE).any():
        raise AnswerRefused("out_of_range", "a squared deviation")


def _check_grow(config: TrainingConfig, draft: Json, answer: Json) -> None:
    if type(answer["stores"]) is not int or answer["stores"] < 0:
        raise AnswerRefused("wrong_type", "stores is no whole number")
    forest = trees.Draft.from_json(draft["model"]["forest"])
    growing.sums_from_json(draft=forest, answer=answer["sums"])


def _check_calibrate(config: TrainingConfig, draft: Json, answer: Json) -> None:
    judging.check_residuals(answer["residuals"])


def _check_judge(config: TrainingConfig, draft: Json, answer: Json) -> None:
    judging.check_figures(answer["figures"], has_active=draft["active"] is not None)


def _check_confirm(config: TrainingConfig, draft: Json, answer: Json) -> None:
    for name in ("count", "refitted", "judged"):
        judging.check_number(answer[name])


_CHECKS: Mapping[str, Callable[[TrainingConfig, Json, Json], None]] = MappingProxyType(
    {
        "describe": _check_describe,
        "fit": _check_fit,
        "spread": _check_spread,
        "grow": _check_grow,
        "calibrate": _check_calibrate,
        "judge": _check_judge,
        "confirm": _check_confirm,
    }
)


# What answers add up to: what changes in the draft


def _described(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    standard = _standard(config, answers)
    forest = _forest(config, answers)
    model = DemandModel(
        standard=standard,
        weights=_start(config, draft["active"], standard),
        variance=np.full(SIZE, PRIVATE_VARIANCE),
        forest=forest,
        levels={} if is_private(config) else _levels(answers),
    )
    return {"model": {**model.as_json(), "private": is_private(config)}, "fits": 0}


def _standard(config: TrainingConfig, answers: Answers) -> Standard:
    size = len(FEATURES)
    if is_private(config):
        return Standard(mean=np.zeros(size), scale=np.full(size, PRIVATE_SCALE))
    mean, square = (
        _typical(
            {s: decode(a[name], dtype="<f8", shape=(size,)) for s, a in answers.items()}, config
        )
        for name in ("mean", "square")
    )
    return glm.agreed_standard([{"count": np.ones(1), "sums": mean, "squares": square}])


def _arrays(answers: Answers, name: str, size: int) -> dict[str, FloatArray]:
    """By store, (size,)."""
    return {
        store: decode(answer[name], dtype="<f8", shape=(size,)) for store, answer in answers.items()
    }


def _typical(values: Mapping[str, FloatArray], config: TrainingConfig) -> FloatArray:
    """The mean over stores, without the extremes where there are enough stores."""
    if len(values) < STORES_TO_TRIM:
        return aggregation.weighted_mean(values, weights=dict.fromkeys(values, 1.0))
    # Whatever the plan says, one is left in the middle.
    most = (len(values) - 1) // 2 / len(values)
    return aggregation.trimmed_mean(values, trim_share=min(config.trim_share, most))


def _start(config: TrainingConfig, active: Json | None, standard: Standard) -> FloatArray:
    """The weights in force, said in the new standard; zeros without them. A private round does
    not start from weights that were learned without noise: they are in nobody's account."""
    if active is None or (is_private(config) and not active.get("private")):
        return np.zeros(SIZE)
    before = DemandModel.from_json(active)
    slopes = before.weights[1:] / before.standard.scale
    weights = np.empty(SIZE)
    weights[1:] = slopes * standard.scale
    weights[0] = before.weights[0] + float(slopes @ (standard.mean - before.standard.mean))
    return weights


def _forest(config: TrainingConfig, answers: Answers) -> trees.Draft | None:
    form = form_of(config)
    if form is None:
        return None
    bins = binning.agree(
        sketches=[each["sketch"] for each in answers.values()],
        bins=config.bins,
        features=len(FEATURES),
        # A claim of examples is worth no more than a few ordinary stores, as anywhere.
        most_examples=_most_examples(config, [each["examples"] for each in answers.values()]),
    )
    demands = {store: np.array([each["demand"]]) for store, each in answers.items()}
    return trees.begin(form=form, bins=bins, unit=max(float(_typical(demands, config)[0]), 1e-3))


def _most_examples(config: TrainingConfig, claimed: Sequence[int]) -> int:
    ordinary = aggregation.MOST_ORDINARY_STORES * float(np.median(claimed))
    return max(min(config.max_examples, int(ordinary)), 1)


def _levels(answers: Answers) -> dict[str, float]:
    """The median level of each dish that several stores sell."""
    found: dict[str, list[float]] = {}
    for answer in answers.values():
        for dish, level in answer["levels"].items():
            found.setdefault(dish, []).append(level)
    return {
        dish: float(f"{np.median(levels):.3g}")
        for dish, levels in sorted(found.items())
        if len(levels) >= STORES_OF_A_LEVEL
    }


def _fitted(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    model = DemandModel.from_json(draft["model"])
    updates = _arrays(answers, "update", SIZE)
    if is_private(config):
        step = privacy.private_mean(
            updates,
            shape=(SIZE,),
            invited_stores=max(config.invited_stores, len(updates)),
            clipping_norm=config.clipping_norm,
            noise_multiplier=config.noise_multiplier,
            least_updates=config.least_stores,
        )
    else:
        demand = {store: answer["demand"] for store, answer in answers.items()}
        step = aggregation.aggregate(config=config, updates=updates, claimed=demand)
    return {"fits": draft["fits"] + 1, "model": _with(draft, weights=model.weights + step)}


def _spread(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    typical = _typical(_arrays(answers, "excess", SIZE), config)
    return {"model": _with(draft, variance=personal.prior_variance(typical))}


def _grown(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    forest = trees.Draft.from_json(draft["model"]["forest"])
    sums = {
        store: growing.sums_from_json(draft=forest, answer=answer["sums"])
        for store, answer in answers.items()
    }
    # A group's sums have been judged store by store where they were added up; one store's are
    # judged here, also beside those of groups.
    of = {store: answer["stores"] for store, answer in answers.items()}
    grown, left_out = trees_judging.advanced(draft=forest, answers=sums, stores=of)
    # Who was left out in an earlier exchange is not asked any more.
    out = [store for store in left_out if store in answers]
    model = {**draft["model"], "forest": grown.as_json()}
    return {"model": model, "refused": dict.fromkeys(out, "outlier")}


def _calibrated(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    return {"quality": judging.calibration([each["residuals"] for each in answers.values()])}


def _judged(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    """What is better is refitted, if there are exchanges for it."""
    changed: Json = {"quality": {**draft["quality"], "stores": len(answers), "refitted": False}}
    better = gate.judge([each["figures"] for each in answers.values()]).better
    if not (better and _refits(config)):
        return changed
    model = draft["model"]
    if model["forest"] is not None:
        before = trees.Draft.from_json(model["forest"])
        again = trees.begin(form=before.form, bins=before.bins, unit=before.unit)
        model = {**model, "forest": again.as_json()}
    return {
        **changed,
        "judged_model": draft["model"],
        "model": model,
        "fits": config.fit_exchanges - _refits(config),
    }


def _confirmed(config: TrainingConfig, draft: Json, question: Question, answers: Answers) -> Json:
    """The refitted model, unless it says the days that it was trained on worse than the judged one
    did beforehand: then somebody has spoilt it."""
    sums = [
        {name: {"deviance": each[of], "count": each["count"]} for name, of in _CONFIRMED.items()}
        for each in answers.values()
    ]
    compared = gate.compare(sums, "judged")
    if compared is None or not compared.own <= compared.other:
        return {"model": draft["judged_model"]}
    return {"quality": {**draft["quality"], "refitted": True}}


_CONFIRMED = {gate.CANDIDATE: "refitted", "judged": "judged"}


def _with(draft: Json, **changes: FloatArray) -> Json:
    """The draft's model with other arrays."""
    return {**draft["model"], **{name: encode(each) for name, each in changes.items()}}


_STEPS: Mapping[str, Callable[[TrainingConfig, Json, Question, Answers], Json]] = MappingProxyType(
    {
        "describe": _described,
        "fit": _fitted,
        "spread": _spread,
        "grow": _grown,
        "calibrate": _calibrated,
        "judge": _judged,
        "confirm": _confirmed,
    }
)
