"""The phase in which stores judge the model on the held-out days: sums of errors by method. Pure.

Every example of the held-out days counts, seen from 1 to 14 days before. All methods are judged on
the same rows.
"""

from collections.abc import Mapping

import numpy as np

from neural.forecasting.core import baselines, evaluation, gate, glm
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.dispersion import Dispersion
from neural.forecasting.core.feature_sets import FeatureSet
from neural.forecasting.core.features import Examples
from neural.forecasting.core.phases.calibrate import HALVES
from neural.forecasting.core.phases.fit import refits
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, check_number
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig
from neural.forecasting.core.series import FloatArray, Sales
from neural.forecasting.core.trees import trees

METHODS = ("candidate", "active", "seasonal_naive", "weekday_mean", "local")
TOMORROW = "@1"
"""The suffix of a method's sums for next-day forecasts alone."""
LOCAL_RIDGE = 0.1


class Judge(Phase):
    """Asks for sums of the errors of each method. A candidate that is better is refitted if the
    plan has exchanges for it."""

    name = "judge"
    keys = frozenset({"base", "examples", "figures"})
    judges = True
    least_examples = 0
    """A store that was closed on all held-out days has no example."""

    def answer(self, store: StorePart) -> Json:
        forecasts = point_forecasts(
            active=store.server_state["active"],
            sales=store.sales,
            train=store.train,
            held_out=store.held_out,
            candidate=store.forecasts,
            features=store.model.features,
        )
        found = figures(
            forecasts=forecasts,
            sales=store.sales,
            held_out=store.held_out,
            first_held_out=store.first_held_out,
            quality=store.server_state["quality"],
        )
        return {"base": store.base, "examples": len(store.held_out), "figures": found}

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        check_figures(answer["figures"], has_active=server_state["active"] is not None)

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        changed: Json = {
            "quality": {**server_state["quality"], "stores": len(answers), "refitted": False}
        }
        better = gate.judge([each["figures"] for each in answers.values()]).better
        if not (better and refits(config)):
            return Combined(changed)
        model = server_state["model"]
        if model["forest"] is not None:
            before = trees.PartialForest.from_json(model["forest"])
            again = trees.begin(form=before.form, bins=before.bins, unit=before.unit)
            model = {**model, "forest": again.as_json()}
        refit = {
            "judged_model": server_state["model"],
            "model": model,
            "fits": config.fit_exchanges - refits(config),
        }
        return Combined({**changed, **refit})


def point_forecasts(
    *,
    active: Json | None,
    sales: Sales,
    train: Examples,
    held_out: Examples,
    candidate: FloatArray,
    features: FeatureSet,
) -> dict[str, FloatArray]:
    """The forecasts of the held-out examples by method, (n,) each."""
    found = {
        "candidate": candidate,
        "seasonal_naive": baselines.seasonal_naive(sales, held_out),
        "weekday_mean": baselines.weekday_mean(sales, held_out),
        "local": local(train.of(features), held_out.of(features)),
    }
    if active is not None:
        model = DemandModel.from_json(active)
        mean = model.forecast(held_out, model.personal_weights(train))
        found["active"] = baselines.steadied(sales, held_out, mean)
    return found


def local(train: Examples, held_out: Examples) -> FloatArray:
    """(n,): forecasts of the held-out examples by a model that the store trained alone, with its
    own standard."""
    standard = glm.agreed_standard([glm.standard_sums(train.values)])
    weights = glm.local(glm.problem(train, standard), ridge=LOCAL_RIDGE)
    return glm.forecast(held_out, standard, weights)


def figures(
    *,
    forecasts: Mapping[str, FloatArray],
    sales: Sales,
    held_out: Examples,
    first_held_out: int,
    quality: Json,
) -> dict[str, evaluation.Sums]:
    """Sums of errors by method, for all horizons and for the next day alone. The candidate's also
    have the sums of its bands."""
    scale = evaluation.naive_errors(sales.quantities[:first_held_out])[held_out.dish]
    next_day = held_out.horizon == 1
    found = {}
    for method, forecast in forecasts.items():
        for name, of in ((method, slice(None)), (method + TOMORROW, next_day)):
            found[name] = evaluation.point_sums(
                held_out.target[of], forecast[of], naive_error=scale[of]
            )
    bands = _bands(forecasts["candidate"], sales, held_out, quality)
    found["candidate"] |= evaluation.band_sums(held_out.target, bands)
    return found


def _bands(forecast: FloatArray, sales: Sales, held_out: Examples, quality: Json) -> FloatArray:
    """(n, 3): P10, P50 and P90 of each day, by the dispersion of the other half of the days."""
    odd, whole = held_out.day % 2 == 1, sales.are_whole
    even, other = (
        Dispersion.from_json(quality[half]).quantiles(
            forecast, held_out.horizon, whole=whole, known_days=held_out.known_days
        )
        for half in HALVES
    )
    return np.where(odd[:, None], even, other)


def check_figures(value: object, *, has_active: bool) -> None:
    """Raise :class:`AnswerRefused` unless ``value`` has the form of :func:`figures`, with all
    methods judged on the same rows."""
    methods = [each for each in METHODS if has_active or each != "active"]
    names = {name + end for name in methods for end in ("", TOMORROW)}
    if not isinstance(value, dict) or set(value) != names:
        raise AnswerRefused("wrong_keys", "figures are of other methods")
    for name, sums in value.items():
        bands = evaluation.BAND_SUMS if name == "candidate" else ()
        if not isinstance(sums, dict) or set(sums) != {*evaluation.POINT_SUMS, *bands}:
            raise AnswerRefused("wrong_keys", f"sums of {name}")
        for each in sums.values():
            check_number(each)
    for end in ("", TOMORROW):
        if len({(value[m + end]["count"], value[m + end]["demand"]) for m in methods}) > 1:
            raise AnswerRefused("inconsistent", "methods were judged on different rows")
