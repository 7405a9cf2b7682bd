"""How good forecasts were, by store and method: what pages and commands say of a round.

Stores judge on days that nobody trained on and give sums; here they become figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import QuerySet

from neural.forecasting.core import evaluation, gate
from neural.forecasting.core.phases.judge import TOMORROW
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingRound

CANDIDATE = gate.CANDIDATE
METHODS = (CANDIDATE, "active", "local", "weekday_mean", "seasonal_naive")
"""As they are listed. Others, of a type of one's own, come after them."""
FIGURES = ("wape", "mase", "deviance", "coverage", "bias")

Figures: TypeAlias = Mapping[str, float | None]
ByMethod: TypeAlias = Mapping[str, Figures]


@dataclass(frozen=True)
class StoreReport:
    """One store's part in a round, and its figures by method."""

    update: StoreUpdate
    methods: ByMethod

    def wape(self, method: str) -> float | None:
        """Absolute error / demand."""
        return self.methods.get(method, {}).get("wape")

    @property
    def own_wape(self) -> float | None:
        """That of the candidate."""
        return self.wape(CANDIDATE)

    @property
    def gain(self) -> float | None:
        """How much less the candidate errs than the better simple rule, as a share of that
        rule's error; negative where it errs more."""
        own = self.own_wape
        rules = [self.wape(name) for name in ("weekday_mean", "seasonal_naive")]
        known = [each for each in rules if each]
        return None if own is None or not known else 1 - own / min(known)


@dataclass(frozen=True)
class Report:
    """A round, its version if it made one, figures of all stores together and of each."""

    round: TrainingRound | None
    version: ModelVersion | None
    totals: ByMethod
    tomorrow: ByMethod
    """The totals of forecasts for the next day alone."""
    stores: Sequence[StoreReport]

    @property
    def methods(self) -> Sequence[str]:
        """The methods of which anything is known."""
        return in_order({name for each in (self.totals, *_methods(self.stores)) for name in each})


def report_of_round(training: TrainingRound, *, shown: "QuerySet[StoreUpdate]") -> Report:
    """What became of a round. ``shown`` are the updates that the reader may see; the totals are
    of every store."""
    version = ModelVersion.objects.filter(round=training).defer("content").first()
    return _report(training, version, shown)


def report_of_version(version: ModelVersion, *, shown: "QuerySet[StoreUpdate]") -> Report:
    """The same of the round that made a version."""
    return _report(version.round, version, shown)


def _report(
    training: TrainingRound | None, version: ModelVersion | None, shown: "QuerySet[StoreUpdate]"
) -> Report:
    sums = _total_sums(version, training)
    return Report(
        round=training,
        version=version,
        totals=by_method(sums),
        tomorrow=by_method(sums, tomorrow=True),
        stores=_stores(shown, training) if training else [],
    )


def newest_round(*, model_type: str | None = None) -> TrainingRound | None:
    """The last round that has ended, of this type or of any."""
    closed = TrainingRound.objects.closed().defer("server_state", "question")
    if model_type:
        closed = closed.filter(model_type=model_type)
    return closed.order_by("-pk").first()


def by_method(judged: Any, *, tomorrow: bool = False) -> ByMethod:
    """Figures of a row's sums by method; methods of which nothing is known are left out.

    ``tomorrow``: of forecasts for the next day alone.
    """
    sums = {
        name.removesuffix(TOMORROW): each
        for name, each in _sums(judged).items()
        if name.endswith(TOMORROW) == tomorrow
    }
    shown = {name: evaluation.figures(sums[name]) for name in in_order(sums)}
    return {name: each for name, each in shown.items() if each["wape"] is not None}


def in_order(names: Any) -> Sequence[str]:
    """The known methods first, as they are listed, then the others by name."""
    known = [name for name in METHODS if name in names]
    return [*known, *sorted(set(names) - set(known))]


def _total_sums(version: ModelVersion | None, training: TrainingRound | None) -> gate.Judged:
    """As they were kept with the version; of a round without one, added up from its stores."""
    kept = _sums(version.metrics) if version else {}
    if kept or training is None:
        return kept
    judged = StoreUpdate.objects.filter(round=training).values_list("figures", flat=True)
    return gate.add_up(_sums(each) for each in judged)


def _sums(judged: Any) -> gate.Judged:
    """A version's figures hold them as ``totals``; a store's are nothing else."""
    found = judged.get("totals", judged) if isinstance(judged, dict) else {}
    return {name: each for name, each in found.items() if isinstance(each, dict)}


def _stores(
    shown: "QuerySet[StoreUpdate]", training: TrainingRound | None
) -> Sequence[StoreReport]:
    updates = shown.filter(round=training).select_related("store").defer("payload")
    return [StoreReport(each, by_method(each.figures)) for each in updates.order_by("store")]


def _methods(stores: Sequence[StoreReport]) -> Sequence[ByMethod]:
    return [each.methods for each in stores]
