"""The report as text for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from zhilian.demo.day_text import day_lines, order_lines

Report = dict[str, Any]
METHODS = {
    "candidate": "this version",
    "weekday_mean": "4-week mean",
    "seasonal_naive": "last week",
    "local": "own model",
}
RULES = ("weekday_mean", "seasonal_naive")


def lines(report: Report) -> Iterator[str]:
    """The whole report, line by line."""
    for section in SECTIONS:
        yield ""
        yield from section(report)


def _events(report: Report) -> Iterator[str]:
    yield f"EVENTS   session {report['session']}, {report['database']}, {report['broker']}"
    head = ("submitted", "recorded", "duplicate", "refused", "submitted/s")
    yield f"  {'':<26}" + "".join(f"{each:>13}" for each in head)
    yield _submitted("bakery sales (real)", report["sales"])
    yield _submitted("invented events", report["live"])
    again = report["sales"]["duplicates"]
    if again:
        yield f"  {again:,} sales had been recorded by an earlier run: they changed nothing."
    if report["live"]["unhandled"]:
        yield f"  {report['live']['unhandled']:,} invented events have no handler: they are kept."
    if report["runs"]["left_over_from_before"]:
        yield f"  {report['runs']['left_over_from_before']:,} runs were left over from before."
    for part in ("sales", "live"):
        for reason, times in report[part]["refused_because"].items():
            yield f"  refused {times:,} × {reason}"


def _submitted(name: str, part: Report) -> str:
    counts = [part[each] for each in ("submitted", "recorded", "duplicates", "refused")]
    rate = f"{part['submitted_per_second']:,.0f}"
    return f"  {name:<26}" + "".join(f"{each:>13,}" for each in counts) + f"{rate:>13}"


def _runs(report: Report) -> Iterator[str]:
    runs = report["runs"]
    counted = ("processed", "retried", "dead", "unfinished")
    yield "RUNS     " + ", ".join(f"{runs[each]:,} {each}" for each in counted)
    if runs["lost_deliveries"]:
        yield f"  {runs['lost_deliveries']:,} deliveries were lost with a worker and started again"
    for letter in report["dead"]:
        yield f"  dead: {letter['work']} of {letter['event']}: {letter['reason']}"


def _queues(report: Report) -> Iterator[str]:
    yield "QUEUES   milliseconds from due to started (wait) and from started to finished (run)"
    head = ("runs", "runs/s", "wait p50", "wait p99", "run p50", "run p99")
    yield f"  {'':<16}" + "".join(f"{each:>12}" for each in head)
    for name, queue in report["queues"].items():
        values = [f"{queue['runs']:,}", f"{queue['per_second']:,.0f}"]
        values += [f"{queue[each]:,.1f}" for each in _TIMES]
        yield f"  {name:<16}" + "".join(f"{each:>12}" for each in values)
    if "low_priority" in report["queues"]:
        yield "  On low_priority the wait is the backlog, by design: history delays nothing live."


_TIMES = ("wait_p50_ms", "wait_p99_ms", "run_p50_ms", "run_p99_ms")


def _cases(report: Report) -> Iterator[str]:
    yield "CASES    among the live events (invented; a drill fails on purpose)"
    for case in report["cases"]:
        yield f"  {'ok ' if case['ok'] else 'NOT OK'} {case['name']}: {case['expected']}"
        yield f"       {case['seen']}"


def _sales(report: Report) -> Iterator[str]:
    sales = report["sales"]
    yield f"SALES    real, {sales['first_day']} to {sales['last_day']}, pieces sold"
    for title, part in (("shops", "top_shops"), ("products", "top_products")):
        top = (f"{each['name']} {each['pieces']:,.0f}" for each in sales[part])
        yield f"  top {title}: " + ", ".join(top)


def searching_lines(report: Report) -> Iterator[str]:
    search = report["search"]
    counts = ", ".join(f"{rows:,} {name}" for name, rows in sorted(search["records"].items()))
    yield f"SEARCH   can be searched: {counts or 'nothing yet'}"
    if search["why_not"]:
        yield f"  indexing waits: {search['why_not']}"
    if search["waiting"]:
        yield f"  {search['waiting']:,} records are not indexed yet"
    elif search["found"]:
        yield f"  {search['asked']!r} among {search['collection']}:"
    for hit in search["found"]:
        why = f" (named: {', '.join(hit['names'])})" if hit["names"] else ""
        yield f"  {hit['id']} of {hit['store']}: {hit['text'][:80]}{why}"


def training_lines(report: Report) -> Iterator[str]:
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


def _verdict(report: Report) -> Iterator[str]:
    if report["ok"]:
        yield "Everything accepted is finished, or dead for a stated reason."
    else:
        yield "NOT everything is as it should be: see what is unfinished, dead or NOT OK above."
    yield "Look at it in the admin:  make up"


SECTIONS = (
    _events,
    _runs,
    _queues,
    _cases,
    _sales,
    order_lines,
    day_lines,
    searching_lines,
    training_lines,
    _verdict,
)
