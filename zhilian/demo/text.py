"""The report as text for people."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Report = dict[str, Any]
SUMS = {
    "orders": "orders",
    "guests": "guests",
    "gross": "gross",
    "discounts": "- discounts",
    "charges": "+ charges",
    "tax": "+ tax",
    "rounding": "± rounding",
    "total": "= total",
    "tips": "tips",
    "refunds": "refunds",
}
LAST = {"owed": "owed", "payout": "paid out to us"}
WIDTH, FIRST_WIDTH, WIDEST = 12, 16, 100


def order_lines(report: Report) -> Iterator[str]:
    """The orders of this session's ordinary events, and what is low in stock."""
    orders, currency = report["orders"], report["orders"]["currency"]
    sums = f"{orders['total']:,.2f} {currency}, {orders['paid']:,.2f} of it paid"
    yield f"ORDERS   invented, {orders['count']:,} without a till: {sums}; the newest:"
    for order in orders["newest"]:
        yield (
            f"  {order['number']} of {order['shop']}: {order['state']}, "
            f"{order['total']:.2f} {currency}, paid {order['paid']:.2f}"
        )
    for item in report["low_stock"]:
        yield f"  low in {item['shop']}: {item['item']}, {item['level']:g} {item['unit']} left"


def day_lines(report: Report) -> Iterator[str]:
    """A table with a column for each day, then the bills that show something."""
    tills = report["tills"]
    days, first = tills["days"], tills["first_ticket"]
    yield f"DAYS     invented, in {tills['currency']}, as each till closed them"
    for name in ("shop", "till", "day"):
        yield _row(name, (day[name] for day in days))
    yield _row("tickets", (" to ".join(day["tickets"]) for day in days))
    for name, title in _titles(days).items():
        yield _row(title, (day["stated"].get(name, "") for day in days))
    yield _row("the ledger", ("agrees" if day["ok"] else "DIFFERS" for day in days))
    for day in days:
        yield from _differences(day)
    mark = "" if first["ok"] else "NOT OK "
    orders = f"{len(first['orders'])} orders: {', '.join(first['orders'])}"
    yield f"  {mark}{first['ticket']}, which each till gave on each day, is {orders}"
    yield from _bills(tills["bills"])


def _titles(days: Sequence[Report]) -> dict[str, str]:
    """The names of what the days state, with titles; tenders between the sums and the rest."""
    named = {name for day in days for name in day["stated"]}
    tenders = sorted(named - {*SUMS, *LAST})
    return {**SUMS, **{each: each.replace("_", " ") for each in tenders}, **LAST}


def _row(title: str, values: Iterable[Any]) -> str:
    row = f"  {title:<{FIRST_WIDTH}}" + "".join(f"{value:>{WIDTH}}" for value in values)
    return row.rstrip()


def _differences(day: Report) -> Iterator[str]:
    for name in day["differing"]:
        stated, found = (day[side].get(name, "nothing") for side in ("stated", "ledger"))
        where = f"{day['shop']} {day['till']} {day['day']}"
        yield f"  NOT OK {where}: {name} is {stated} at the till, {found} in the ledger"


def _bills(bills: Sequence[Report]) -> Iterator[str]:
    """The bills, each story once, under the till and the day that they are of."""
    seen: set[str] = set()
    place = ""
    for bill in bills:
        if bill["ok"] and bill["story"] in seen:
            continue
        seen.add(bill["story"])
        former, place = place, f"  {bill['shop']}, {bill['till']}, {bill['day']}"
        if place != former:
            yield place
        yield _bill(bill)


def _bill(bill: Report) -> str:
    mark = "ok " if bill["ok"] else "NOT OK"
    if bill["status"] == "missing":
        return f"    {mark} {bill['ticket']} missing"
    money = f"{bill['counted']}, owed {bill['owed']}"
    returned = "" if bill["returned"] == "0.00" else f"; returned {bill['returned']}"
    return f"    {mark} {bill['ticket']} {money:<19} {bill['story']}{returned}".rstrip()


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
    """How the round ended and how far its forecasts err, as ``federated_report`` prints it."""
    training = report["training"]
    if training["round"] is None:
        yield f"TRAINING no round: {training['why_not']}"
        return
    yield f"TRAINING over {training['invited']} shops, as on the morning of {training['as_of']}"
    yield "  Errors are on the last 14 days, which nobody trained on."
    if training["of_an_earlier_run"]:
        yield "  Of an earlier run: nothing was recorded since that it does not know."
    for line in training["lines"]:
        yield from textwrap.wrap(line, WIDEST, initial_indent="  ", subsequent_indent="  ") or [""]
    yield from _prepare(training["prepare"])


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
