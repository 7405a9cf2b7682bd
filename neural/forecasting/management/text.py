"""Formats a round's report for commands: lines for people, JSON for programs."""

from collections.abc import Iterator, Sequence
from typing import Any

from neural.forecasting.models import RoundState, StoreUpdate, TrainingRound
from neural.forecasting.outlook.report import FIGURES, Report, StoreReport
from neural.management.teaching import wide

SHORT = {
    "candidate": "new",
    "active": "before",
    "local": "local",
    "weekday_mean": "weekday",
    "seasonal_naive": "naive",
}
"""The methods as column heads."""
LEGEND = (
    "new: this round's version · before: the version in force before · local: each store's own "
    "model · weekday: mean of the last four same weekdays · naive: as on the last same weekday"
)
HEADS = ("WAPE", "MASE", "deviance", "P10-P90", "bias", "next day")
"""The column heads: figures of forecasts 1 to 14 days ahead, and the WAPE of next-day forecasts."""


def ended(training: TrainingRound, version: int | None) -> str:
    """How a round ended, in one line."""
    state = training.get_state_display()
    if training.is_open:
        return f"Round {training.pk} is open: {state}."
    made = f", version {version}" if version is not None else ""
    why = f": {training.explanation}" if training.reason else ""
    detail = f" ({training.detail})" if training.detail else ""
    assert training.closed_at is not None
    seconds = (training.closed_at - training.opened_at).total_seconds()
    return f"Round {training.pk}: {state}{made}{why}{detail}; {seconds:.0f} s."


def is_good(training: TrainingRound) -> bool:
    """Whether the round made a version that was put in force, or that a person may publish."""
    if training.state == RoundState.PUBLISHED:
        return True
    return training.state == RoundState.REJECTED and training.reason == "candidate"


def lines(report: Report) -> Iterator[str]:
    """The totals by method, then each store's error by method."""
    if report.totals:
        yield from _totals(report)
    if report.stores:
        yield ""
        yield from _stores(report)
    if report.totals:
        yield LEGEND


def _totals(report: Report) -> Iterator[str]:
    yield f"{'all stores':<16}" + "".join(f"{head:>10}" for head in HEADS)
    for method, figures in report.totals.items():
        shown = [_figure(name, figures.get(name)) for name in FIGURES]
        shown.append(_figure("wape", report.tomorrow.get(method, {}).get("wape")))
        yield f"  {SHORT.get(method, method):<14}" + "".join(f"{each:>10}" for each in shown)


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "bias":
        return f"{value - 1:+.1%}"
    return f"{value:.1%}" if name in ("wape", "coverage") else f"{value:.3f}"


def _stores(report: Report) -> Iterator[str]:
    methods = report.methods
    heads = "".join(f"{SHORT.get(each, each):>9}" for each in methods)
    yield f"{'WAPE by store':<24}{heads}{'gain':>9}  outcome"
    for each in report.stores:
        yield _store(each, methods)


def _store(store: StoreReport, methods: Sequence[str]) -> str:
    errors = "".join(f"{_figure('wape', store.wape(each)):>9}" for each in methods)
    gained = "-" if store.gain is None else f"{store.gain:+.1%}"
    return f"  {wide(str(store.update.store), 22)}{errors}{gained:>9}  {outcome(store.update)}"


def outcome(update: StoreUpdate) -> str:
    """The outcome of a store's part and its reason, in words."""
    words = str(update.get_state_display())
    if update.reason:
        words += f": {update.explanation}"
    return f"{words} ({update.detail})" if update.detail else words


def as_json(report: Report) -> dict[str, Any]:
    """The report as one JSON object."""
    return {
        "round": report.round and _round(report.round),
        "version": report.version
        and {
            "number": report.version.number,
            "sha256": report.version.sha256,
            "standing": report.version.standing,
        },
        "methods": report.totals,
        "methods_next_day": report.tomorrow,
        "stores": [_store_as_json(each) for each in report.stores],
    }


def _round(training: TrainingRound) -> dict[str, Any]:
    seconds = training.closed_at and (training.closed_at - training.opened_at).total_seconds()
    return {
        "number": training.pk,
        "model_type": training.model_type,
        "state": training.state,
        "reason": training.reason,
        "detail": training.detail,
        "exchanges": training.exchange,
        "invited": training.invited,
        "opened_at": training.opened_at.isoformat(),
        "seconds": seconds,
    }


def _store_as_json(store: StoreReport) -> dict[str, Any]:
    update = store.update
    return {
        "store": update.store_id,
        "state": update.state,
        "reason": update.reason,
        "detail": update.detail,
        "examples": update.examples,
        "bytes_sent": update.bytes_sent,
        "seconds": update.seconds,
        "gain": store.gain,
        "methods": store.methods,
    }
