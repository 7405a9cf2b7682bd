"""The phases that judge a model on the held-out days: calibrate, judge, confirm. Pure.

Every example of the held-out days counts, seen from 1 to 14 days before. All methods are judged on
the same rows.

The width of every band comes from sums of the stores' residuals. A store that sends enormous sums
would make the bands useless for everybody, so each store is bounded by what the others send. Bands
fitted on even days are judged on odd days, and the other way round, so no day judges a band that it
helped to fit."""

from collections.abc import Mapping, Sequence

import numpy as np

from neural.forecasting.core import dispersion, evaluation
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.dispersion import LARGEST_RATIO, SUMS, Dispersion, Sums
from neural.forecasting.core.features import Examples
from neural.forecasting.core.lags import LEAST_DAYS
from neural.forecasting.core.phases.fit import refits
from neural.forecasting.core.phases.phase import Answers, Combined, Phase, StorePart, check_number
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig
from neural.forecasting.core.series import FloatArray, Sales
from neural.forecasting.core.trees.forest import PartialForest, begin

# The scatter of the model's errors


HALVES = ("even", "odd")

STORES_TO_BOUND = 5
"""With fewer stores, no majority is clear enough to bound a store by."""
MOST_TIMES_MEDIAN = 2.5
"""A store counts for at most this many times the rows of the median store."""
MOST_SCATTER = 3.0
"""A store's errors count for at most this many times the usual scatter at its demand."""
_TOLERANCE = 1e-6

ByHalf = Mapping[str, Sums]


class Calibrate(Phase):
    """Asks for sums of squared errors, from which the width of the bands is computed."""

    name = "calibrate"
    keys = frozenset({"base", "residuals"})
    judges = True

    def answer(self, store: StorePart) -> Json:
        return {"base": store.base, "residuals": residuals(store.held_out, store.forecasts)}

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        check_residuals(answer["residuals"])

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        found = calibration([each["residuals"] for each in answers.values()])
        return Combined({"quality": found})


def residuals(held_out: Examples, forecasts: FloatArray) -> Json:
    """The sums of residuals, for even and odd days separately. Those of new dishes, whose bands are
    wider, do not count."""
    settled = held_out.known_days >= LEAST_DAYS
    held_out, forecasts = held_out.where(settled), forecasts[settled]
    odd = held_out.day % 2 == 1
    return {
        half: dispersion.residual_sums(held_out.target[of], forecasts[of], held_out.horizon[of])
        for half, of in zip(HALVES, (~odd, odd), strict=True)
    }


def check_residuals(value: object) -> None:
    """Raise :class:`AnswerRefused` unless ``value`` has the form and range of
    :func:`residuals`."""
    if not isinstance(value, dict) or set(value) != set(HALVES):
        raise AnswerRefused("wrong_keys", "residuals are of even and odd days")
    for half in value.values():
        if not isinstance(half, dict) or set(half) != set(dispersion.SUMS):
            raise AnswerRefused("wrong_keys", "sums of residuals")
        for sums in half.values():
            if not isinstance(sums, list) or len(sums) != len(dispersion.LAST_OF_BUCKET):
                raise AnswerRefused("wrong_shape", "sums of residuals")
            for each in sums:
                check_number(each)
        if not are_possible(half):
            raise AnswerRefused("out_of_range", "no residuals add up to these sums")


def calibration(answers: Sequence[Json]) -> Json:
    """The dispersion of all days, and that of each half, by which the other half is judged. The
    answers are bounded, so no store decides it alone."""
    parts = bounded(answers)
    by_half = {half: [each[half] for each in parts] for half in HALVES}
    everything = [part for parts in by_half.values() for part in parts]
    return {
        "dispersion": dispersion.fitted(everything).as_json(),
        **{half: dispersion.fitted(parts).as_json() for half, parts in by_half.items()},
    }


# Bounds on one store's sums, so that it does not decide for all


def are_possible(sums: Sums) -> bool:
    """Whether any residuals could add up to these sums (of one store, by bucket)."""
    count, mean, square, ratio, residual = (np.array(sums[name]) for name in SUMS)
    more = 1.0 + _TOLERANCE
    return bool(
        (mean**2 <= count * square * more).all()
        and (ratio <= LARGEST_RATIO * count * more).all()
        and (residual <= LARGEST_RATIO * mean * more).all()
    )


def bounded(parts: Sequence[ByHalf]) -> list[ByHalf]:
    """The sums of the stores, by half, each scaled down to the bounds.

    The median store gives the usual scatter: 1 + α·demand per row, in units of chance. So the size
    of a store does not matter.
    """
    if len(parts) < STORES_TO_BOUND:
        return list(parts)
    halves = list(parts[0])
    sums = {name: np.array([[of[half][name] for half in halves] for of in parts]) for name in SUMS}
    weight = _weights(sums)
    sums = {name: each * weight[:, None] for name, each in sums.items()}
    ratio, residual = _scatter(sums)
    sums["ratio"], sums["residual"] = sums["ratio"] * ratio, sums["residual"] * residual
    return [
        {
            half: {name: sums[name][store, place].tolist() for name in SUMS}
            for place, half in enumerate(halves)
        }
        for store in range(len(parts))
    ]


def _weights(sums: Mapping[str, FloatArray]) -> FloatArray:
    """(stores, buckets), at most 1: limits a store's rows, and its squared forecasts to the sum of
    all others."""
    count, square = sums["count"].sum(axis=1), sums["square"].sum(axis=1)
    weight = _at_most(count, MOST_TIMES_MEDIAN * _median(count, count))
    square = square * weight
    return weight * _at_most(square, square.sum(axis=0) - square)


def _scatter(sums: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The factors that limit ``ratio`` and ``residual``: (stores, 1, buckets) each, at most 1."""
    count, mean, square, ratio, residual = (sums[name].sum(axis=1) for name in SUMS)
    beyond = np.maximum(ratio - count, 0.0) / np.where(mean > 0, mean, 1.0)
    alpha = _median(beyond, count)
    usual = count + alpha * mean, mean + alpha * square
    by_forecast = _at_most(ratio, MOST_SCATTER * usual[0])
    return by_forecast[:, None], _at_most(residual, MOST_SCATTER * usual[1])[:, None]


def _median(values: FloatArray, count: FloatArray) -> FloatArray:
    """(buckets,): the median of the stores with residuals in the bucket; 0 if there are none."""
    found = [column[there > 0] for column, there in zip(values.T, count.T, strict=True)]
    return np.array([np.median(each) if len(each) else 0.0 for each in found])


def _at_most(values: FloatArray, limit: FloatArray) -> FloatArray:
    """The factors, at most 1, that bring the values within the limit."""
    factor = np.broadcast_to(limit, values.shape) / np.where(values > 0, values, 1.0)
    return np.where(values > 0, np.minimum(factor, 1.0), 1.0)


# Errors by method


METHODS = ("candidate", "active", "seasonal_naive", "weekday_mean")
TOMORROW = "@1"
"""The suffix of a method's sums for next-day forecasts alone."""


class Judge(Phase):
    """Asks for sums of the errors of each method. If the plan has exchanges for it, the candidate
    is refitted, also one that the gate refuses: a person may still publish it."""

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
        if not refits(config):
            return Combined(changed)
        model = server_state["model"]
        if model["forest"] is not None:
            before = PartialForest.from_json(model["forest"])
            again = begin(form=before.form, bins=before.bins, unit=before.unit)
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
) -> dict[str, FloatArray]:
    """The forecasts of the held-out examples by method, (n,) each."""
    found = {
        "candidate": candidate,
        "seasonal_naive": evaluation.seasonal_naive(sales, held_out),
        "weekday_mean": evaluation.weekday_mean(sales, held_out),
    }
    if active is not None:
        model = DemandModel.from_json(active)
        mean = model.forecast(held_out, model.personal_weights(train))
        found["active"] = evaluation.steadied(sales, held_out, mean)
    return found


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


# The refitted model against the judged one


class Confirm(Phase):
    """Asks for the deviances, before and after the refit, of forecasts by the chain's weights and
    trees alone."""

    name = "confirm"
    keys = frozenset({"base", "count", "refitted", "judged"})

    def answer(self, store: StorePart) -> Json:
        models = {
            "refitted": store.server_state["model"],
            "judged": store.server_state["judged_model"],
        }
        deviances: Json = {"base": store.base, "count": float(len(store.held_out))}
        for name, content in models.items():
            model = DemandModel.from_json(content)
            forecasts = model.forecast(store.held_out, model.weights)
            each = evaluation.poisson_deviance(store.held_out.target, forecasts)
            deviances[name] = float(each.sum())
        return deviances

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        for name in ("count", "refitted", "judged"):
            check_number(answer[name])

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        """Keep the refitted model unless it is worse than the judged one. It was trained on these
        days and the judged one was not, so a worse one has been spoilt by a store."""
        compared = evaluation.compare([_sums(each) for each in answers.values()], "judged")
        if compared is None or compared.worse > 0:
            return Combined({"model": server_state["judged_model"]})
        return Combined({"quality": {**server_state["quality"], "refitted": True}})


def _sums(answer: Json) -> evaluation.Judged:
    """An answer in the gate's form, with the refitted model as the candidate."""
    names = {evaluation.CANDIDATE: "refitted", "judged": "judged"}
    return {name: {"deviance": answer[of], "count": answer["count"]} for name, of in names.items()}
