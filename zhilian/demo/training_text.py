"""What came of the round of training, for people: how far forecasts err, and what to prepare."""

from collections.abc import Iterator, Mapping
from typing import Any

Report = dict[str, Any]
METHODS = {
    "candidate": "this version",
    "weekday_mean": "4-week mean",
    "seasonal_naive": "last week",
    "local": "own model",
}
RULES = ("weekday_mean", "seasonal_naive")


def training_lines(report: Report) -> Iterator[str]:
    """The section of the demo's report."""
    training = report["training"]
    if training["round"] is None:
        yield f"TRAINING no round: {training['why_not']}"
        return
    made = f", version {training['version']}" if training["version"] else ""
    yield (
        f"TRAINING round {training['round']} over {training['invited']} shops, as on the morning "
        f"of {training['as_of']}: {training['state']}{made}, {training['seconds']} s, "
        f"{training['exchanges']} exchanges"
    )
    why = training["explanation"] + (f" ({training['detail']})" if training["detail"] else "")
    yield f"  {why}"
    if training["of_an_earlier_run"]:
        yield "  Of an earlier run: nothing was recorded since that it does not know."
    yield from _errors(training)
    yield from _prepare(training["prepare"])


def _errors(training: Report) -> Iterator[str]:
    if not training["methods"]:
        return
    yield "  Error in per cent of what was sold (WAPE; lower is better) on the last 14 days, which"
    yield "  nobody trained on, forecast from 1 to 14 days before:"
    yield f"  {'':<20}" + "".join(f"{each:>14}" for each in METHODS.values())
    for each in training["stores"]:
        out = "" if each["state"] == "accepted" else f"  {each['state']}: {each['reason']}"
        yield f"  {each['store']:<20}{_wapes(each['wape'])}{out}"
    totals = {name: figures["wape"] for name, figures in training["methods"].items()}
    yield f"  {'all shops':<20}{_wapes(totals)}"
    yield "  4-week mean: of the last four same weekdays · last week: as on the last same weekday ·"
    yield "  own model: each shop's, trained on its own sales alone"
    judged = [each["wape"] for each in training["stores"] if _is_judged(each["wape"])]
    if judged:
        better = sum(all(each["candidate"] < each[rule] for rule in RULES) for each in judged)
        yield f"  This version errs less than both simple rules in {better} of {len(judged)} shops."


def _is_judged(errors: Mapping[str, float | None]) -> bool:
    return all(errors.get(name) is not None for name in ("candidate", *RULES))


def _wapes(errors: Report) -> str:
    shown = (errors.get(name) for name in METHODS)
    return "".join(f"{'-' if each is None else f'{each:.1%}':>14}" for each in shown)


def _prepare(prepare: Report | None) -> Iterator[str]:
    if prepare is None:
        return
    by = f"version {prepare['version']}" if prepare["version"] else "a simple rule"
    yield f"PREPARE  what {prepare['shop']} should prepare on {prepare['day']}, in pieces, by {by}"
    yield f"  {'':<20}{'usual choice':>14}{'to rarely run out':>20}"
    for each in prepare["dishes"]:
        usual, most = (
            "closed" if each[name] is None else f"{each[name]:,}"
            for name in ("usual", "rarely_out")
        )
        yield f"  {each['dish']:<20}{usual:>14}{most:>20}"
    yield "  The usual choice is enough on one day in two, the larger number on nine days in ten."
    past = prepare["hits"]
    if past["days"]:
        hits = f"{past['within']} of its last {past['days']} open days"
        yield f"  On {hits} sales lay within the range forecast the day before;"
        yield "  about eight in ten is right."
