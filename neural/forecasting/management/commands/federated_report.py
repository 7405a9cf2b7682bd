"""`manage.py federated_report`: prints a round's forecast errors by store and method, as lines for
people or as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management import CommandError, CommandParser

from neural.forecasting.models import (
    ModelVersion,
    RoundState,
    StoreUpdate,
    TrainingRound,
    UpdateState,
)
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.report import (
    ACTIVE,
    FIGURES,
    Report,
    StoreReport,
    newest_round,
    report_of_round,
    report_of_version,
)
from neural.management.teaching import TeachingCommand, wide

SHORT = {
    "candidate": "new",
    "active": "before",
    "weekday_mean": "weekday",
    "seasonal_naive": "naive",
}
"""The methods as column heads."""
LEGEND = (
    "new: this round's version · before: the version in force before · "
    "weekday: mean of the last four same weekdays · naive: as on the last same weekday"
)
HEADS = ("WAPE", "MASE", "deviance", "P10-P90", "bias", "next day")
"""The column heads: figures of forecasts 1 to 14 days ahead, and the WAPE of next-day forecasts."""
CLEARLY_WORSE = 0.05
"""A store is named as worse from this share of error on: less may be chance in two weeks."""


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
        cells = [_figure(name, figures.get(name)) for name in FIGURES]
        cells.append(_figure("wape", report.tomorrow.get(method, {}).get("wape")))
        yield f"  {SHORT.get(method, method):<14}" + "".join(f"{each:>10}" for each in cells)


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
    return f"  {wide(str(store.update.store), 22)}{errors}{gained:>9}  {outcome(store)}"


def outcome(store: StoreReport) -> str:
    """What became of a store's part and why, in words; if its answer counted, whether the store's
    error fell or rose, too."""
    update = store.update
    if update.state == UpdateState.ACCEPTED:
        return f"its answer counted{_change(store)}"
    words = str(update.get_state_display())
    if update.reason:
        words += f": {update.explanation}"
    return f"{words} ({update.detail})" if update.detail else words


def _change(store: StoreReport) -> str:
    """How the store's error changed, from the version before and from the better simple rule."""
    gains = {"the version before": store.gain_over(ACTIVE), "the better rule": store.gain}
    known = {name: round(each, 3) for name, each in gains.items() if each is not None}
    if not known:
        return ""
    parts = [
        f"{'fell' if each > 0 else 'rose'} {abs(each):.1%} against {name}"
        if each
        else f"is that of {name}"
        for name, each in known.items()
    ]
    clearly = "clearly worse: " if min(known.values()) <= -CLEARLY_WORSE else ""
    return f"; {clearly}error {', '.join(parts)}"


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
        "gain": store.gain,
        "methods": store.methods,
    }


class Command(TeachingCommand):
    """Show how far forecasts err, by store and method."""

    help = """
        Shows how a round of training went: how far forecasts err, by method, over all stores and
        for each, on the last days of each store, which nobody trained on; and which stores were
        left out and why. WAPE is absolute error / what was sold; MASE is the error / that of "as
        a week before"; P10-P90 is the share of days within that band (80 % is right); bias is
        what is forecast too much in all. Gain is how much less the new version errs than the
        better simple rule.
    """
    after_help = """
        examples:
          manage.py federated_report                (the last round that ended)
          manage.py federated_report --round 12
          manage.py federated_report --version 3 --json | jq .methods.candidate

        exit codes:
          0  shown
          1  there has been no round yet
          2  wrong usage, or there is no such round or version
    """

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Here, ``--version`` is a model version; Django's own is ``django-admin --version``."""
        kwargs["conflict_handler"] = "resolve"
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options for the round and the output."""
        parser.add_argument("--model-type", default=DEFAULT_MODEL_TYPE, metavar="NAME")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--round", type=int, metavar="N", help="this round (the last one)")
        which.add_argument("--version", type=int, metavar="N", help="that of this model version")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(
        self,
        *,
        model_type: str,
        round: int | None,  # noqa: A002 (the option's name)
        version: int | None,
        **options: Any,
    ) -> None:
        """Find the report and print it."""
        report = found(model_type, round, version)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(report), ensure_ascii=False))
            return
        if report.round is not None:
            self.stdout.write(
                ended(report.round, report.version.number if report.version else None)
            )
        for line in lines(report):
            self.stdout.write(line)


def found(model_type: str, number: int | None, version: int | None) -> Report:
    """The report of a round, of a version, or of the last round that ended."""
    every = StoreUpdate.objects.all()
    if version is not None:
        rows = ModelVersion.objects.of(model_type).filter(number=version).defer("content")
        made = rows.select_related("round").first()
        if made is None:
            raise CommandError(f"there is no version {version} of {model_type}", returncode=2)
        return report_of_version(made, visible=every)
    if number is not None:
        chosen = TrainingRound.objects.filter(pk=number).defer("server_state", "question").first()
        if chosen is None:
            raise CommandError(f"there is no round {number}", returncode=2)
        return report_of_round(chosen, visible=every)
    last = newest_round(model_type=model_type)
    if last is None:
        raise CommandError("There has been no round yet. Type: manage.py train")
    return report_of_round(last, visible=every)
