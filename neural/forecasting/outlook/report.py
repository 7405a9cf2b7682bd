"""Reports how good a round's forecasts were, by store and method, for pages and commands.

Stores judge on days that nobody trained on and send sums; this module turns them into figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import QuerySet

from neural.forecasting.core import evaluation
from neural.forecasting.core.phases.judge import TOMORROW
from neural.forecasting.models import ModelVersion, StoreUpdate, TrainingRound

CANDIDATE = evaluation.CANDIDATE
ACTIVE, RULES = "active", ("weekday_mean", "seasonal_naive")
METHODS = (CANDIDATE, ACTIVE, *RULES)
"""The methods in the order of reports. Methods of other model types follow them."""
FIGURES = ("wape", "mase", "deviance", "coverage", "bias")

Figures: TypeAlias = Mapping[str, float | None]
ByMethod: TypeAlias = Mapping[str, Figures]


@dataclass(frozen=True)
class StoreReport:
    """One store's part in a round, and its figures by method."""

    update: StoreUpdate
    methods: ByMethod

    def wape(self, method: str) -> float | None:
        """A method's absolute error / demand; None if it is not known."""
        return self.methods.get(method, {}).get("wape")

    @property
    def own_wape(self) -> float | None:
        """The candidate's absolute error / demand; None if it is not known."""
        return self.wape(CANDIDATE)

    @property
    def gain(self) -> float | None:
        """The gain over the better simple rule."""
        return self.gain_over(*RULES)

    def gain_over(self, *methods: str) -> float | None:
        """How much smaller the candidate's error is than that of the best of these methods, as a
        share of the latter; negative if it is larger, None if it is not known."""
        own = self.own_wape
        known = [each for each in map(self.wape, methods) if each]
        return None if own is None or not known else 1 - own / min(known)


@dataclass(frozen=True)
class Report:
    """The report of a round: its version, if any, and figures of all stores and of each store."""

    round: TrainingRound | None
    version: ModelVersion | None
    totals: ByMethod
    tomorrow: ByMethod
    """The totals for next-day forecasts alone."""
    stores: Sequence[StoreReport]

    @property
    def methods(self) -> Sequence[str]:
        """The methods that have figures, in the order of reports."""
        tables = (self.totals, *(each.methods for each in self.stores))
        return in_order({name for table in tables for name in table})


def report_of_round(training: TrainingRound, *, visible: "QuerySet[StoreUpdate]") -> Report:
    """The report of a round. ``shown`` are the store updates that the reader may see; the totals
    include every store."""
    version = ModelVersion.objects.filter(round=training).defer("content").first()
    return _report(training, version, visible)


def report_of_version(version: ModelVersion, *, visible: "QuerySet[StoreUpdate]") -> Report:
    """The report of the round that made a version. ``shown`` are the store updates that the reader
    may see."""
    return _report(version.round, version, visible)


def _report(
    training: TrainingRound | None, version: ModelVersion | None, visible: "QuerySet[StoreUpdate]"
) -> Report:
    sums = _total_sums(version, training)
    return Report(
        round=training,
        version=version,
        totals=by_method(sums),
        tomorrow=by_method(sums, tomorrow=True),
        stores=_stores(visible, training) if training else [],
    )


def newest_round(*, model_type: str | None = None) -> TrainingRound | None:
    """The last round that has ended, of this model type or of any; None if there is none."""
    closed = TrainingRound.objects.closed().defer("server_state", "question")
    if model_type:
        closed = closed.filter(model_type=model_type)
    return closed.order_by("-pk").first()


def by_method(judged: Any, *, tomorrow: bool = False) -> ByMethod:
    """The figures by method, from the sums of a store or a version. Methods without known figures
    are left out.

    ``tomorrow``: for next-day forecasts alone.
    """
    sums = {
        name.removesuffix(TOMORROW): each
        for name, each in _sums(judged).items()
        if name.endswith(TOMORROW) == tomorrow
    }
    visible = {name: evaluation.figures(sums[name]) for name in in_order(sums)}
    return {name: each for name, each in visible.items() if each["wape"] is not None}


def in_order(names: Any) -> Sequence[str]:
    """The methods of :data:`METHODS` in their order, then the others by name."""
    known = [name for name in METHODS if name in names]
    return [*known, *sorted(set(names) - set(known))]


def _total_sums(version: ModelVersion | None, training: TrainingRound | None) -> evaluation.Judged:
    """The totals kept with the version; without a version, the sums of the round's stores."""
    totals = _sums(version.metrics) if version else {}
    if totals or training is None:
        return totals
    judged = StoreUpdate.objects.filter(round=training).values_list("figures", flat=True)
    return evaluation.add_up(_sums(each) for each in judged)


def _sums(judged: Any) -> evaluation.Judged:
    """The sums by method. A version's figures have them under ``totals``, a store's directly."""
    found = judged.get("totals", judged) if isinstance(judged, dict) else {}
    return {name: each for name, each in found.items() if isinstance(each, dict)}


def _stores(
    visible: "QuerySet[StoreUpdate]", training: TrainingRound | None
) -> Sequence[StoreReport]:
    updates = visible.filter(round=training).select_related("store").defer("payload")
    return [StoreReport(each, by_method(each.figures)) for each in updates.order_by("store")]
