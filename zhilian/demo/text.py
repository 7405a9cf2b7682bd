"""The report for people."""

from collections.abc import Iterator
from typing import Any

from zhilian.demo.searching_text import searching_lines
from zhilian.demo.training_text import training_lines

Report = dict[str, Any]


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
    yield _submitted("live events (invented)", report["live"])
    again = report["sales"]["duplicates"]
    if again:
        yield f"  {again:,} sales had been recorded by an earlier run: they changed nothing."
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


def _orders(report: Report) -> Iterator[str]:
    orders, currency = report["orders"], report["orders"]["currency"]
    sums = f"{orders['total']:,.2f} {currency}, {orders['paid']:,.2f} of it paid"
    yield f"ORDERS   invented, {orders['count']:,} of this session: {sums}; the newest:"
    for order in orders["newest"]:
        yield (
            f"  {order['number']} of {order['shop']}: {order['state']}, "
            f"{order['total']:.2f} {currency}, paid {order['paid']:.2f}"
        )
    for item in report["low_stock"]:
        yield f"  low in {item['shop']}: {item['item']}, {item['level']:g} {item['unit']} left"


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
    _orders,
    searching_lines,
    training_lines,
    _verdict,
)
