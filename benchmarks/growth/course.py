"""Runs the whole measurement, in order: grows, compares with an empty ledger, prints a table."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from celery import current_app

from benchmarks.growth.costs import insert_costs, measure_backlog
from benchmarks.growth.growing import grow
from benchmarks.growth.indexes import check_indexes
from benchmarks.growth.ledger import (
    analyze,
    both_seconds,
    empty,
    execute,
    ledger,
    prepare,
    vacuum,
    weights,
)
from benchmarks.growth.measuring import STEPS
from benchmarks.isolated import Server
from benchmarks.machine import idle_share, machine

GROWN = "neural_growth"
EMPTY = "neural_growth_empty"
COPY = "neural_growth_copy"
"""A copy of the grown ledger, for measuring: measurements would change how its indexes split."""

NAMES = {
    "submit_per_second": "submit, one by one, /s",
    "submit_many_per_second": "submit_many, /s",
    "claim_ms": "claim of 50, ms",
    "relay_idle_ms": "relay, nothing unpublished, ms",
    "relay_unpublished_ms": "relay, 200 unpublished, ms",
    "drain_per_second": "drain in one process, /s",
}


def of_server(figures: Mapping[str, Any]) -> str:
    """The server and machine on which the figures were measured."""
    machine, server = figures["machine"], figures["server"]
    processor = f"{machine['processor']}, {machine['cores']} cores"
    told = ", ".join(f"{name} {value}" for name, value in server.items())
    return (
        f"{processor}, {machine['idle_before']:.0%} idle before\nPostgreSQL, not tuned: {told}\n"
        "Tables are vacuumed and analyzed by hand before they are measured."
    )


def at_size(runs: int, size: Mapping[str, Any]) -> str:
    """Pace and sizes at one number of runs."""
    return "\n".join([f"\n{runs:,} finished runs", *_growing(size), *_pace(size), *_weight(size)])


def _growing(size: Mapping[str, Any]) -> Iterator[str]:
    paces = [each["runs_per_second"] for each in size["growing"]["slices"]]
    yield (
        f"  grew by {paces[0]:,} runs/s in the first slice, {paces[-1]:,} in the last "
        f"(slowest {min(paces):,}), with their events and attempts; VACUUM (ANALYZE) took "
        f"{size['growing']['vacuum_analyze_seconds']} s"
    )


def _pace(size: Mapping[str, Any]) -> Iterator[str]:
    yield f"  measured warm, in turn with an empty ledger; {size['idle_before']:.0%} idle before"
    yield f"  {'':26}{'empty':>22}{'grown':>22}{'ratio':>7}{'processor':>11}  within 20 %"
    for name, figure in size["figures"].items():
        ratios = f"{figure['grown_to_empty']:>7}{figure['processor_time_grown_to_empty']:>11}"
        spreads = f"{_spread(figure['empty']):>22}{_spread(figure['grown']):>22}"
        yield f"  {NAMES[name]:26}{spreads}{ratios}  {_yes(figure['within_20_percent'])}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def _spread(figure: Mapping[str, float]) -> str:
    return f"{figure['median']:,} ({figure['min']:,}–{figure['max']:,})"


def _weight(size: Mapping[str, Any]) -> Iterator[str]:
    weights = dict(size["size"])
    yield f"  {weights.pop('bytes_a_run')} bytes a run, all tables and indexes"
    for table, weight in weights.items():
        yield f"  {table:42}{weight['with_toast']['megabytes']:>10,} MB"
        for name, index in weight["indexes"].items():
            yield f"    {name:40}{index['megabytes']:>10,} MB {index['bytes_a_run']:>7} bytes a run"


def of_indexes(figures: Mapping[str, Any]) -> str:
    """What each index costs an insert, and whether its query uses it."""
    costs, queries = _costs(figures["insert_cost"]), _queries(figures["indexes"])
    return "\n".join([*_backlog(figures["backlog"]), *costs, *queries])


def _backlog(backlog: Mapping[str, Any]) -> Iterator[str]:
    few, many = backlog["few"], backlog["many"]
    yield f"\nWith {few['waiting']:,} and {many['waiting']:,} waiting since the last ANALYZE"
    for what, ratio in backlog["many_to_few"].items():
        holds = _yes(backlog["within_20_percent"][what])
        yield f"  {NAMES[what]:26}{few[what]:>22,}{many[what]:>22,}{ratio:>7}  {holds}"


def _costs(costs: Mapping[str, Any]) -> Iterator[str]:
    yield f"\nWhat an index costs an insert, at {costs['at_runs']:,} runs"
    for table, cost in costs.items():
        if table != "at_runs":
            yield f"  {cost['rows']:,} rows into {table}: {cost['seconds_with_all']} s"
            for name, microseconds in cost["microseconds_a_row_of_index"].items():
                yield f"    {name:40}{microseconds:>10} µs a row"


def _queries(indexes: Mapping[str, Any]) -> Iterator[str]:
    yield "\nWhich query needs an index, and does it use it?"
    for name, answer in indexes["queries"].items():
        yield f"  {_yes(answer['used']):5}{name:34}{answer['query']}"
    for name, why in indexes["flagged"].items():
        yield f"  FLAGGED {name}: {why}"


TOLERANCE = 0.20
Round = dict[str, float]


def compare(repeats: int) -> dict[str, Any]:
    """Measure the copy and the empty ledger in turn; the first round of each is a warm-up."""
    with ledger(EMPTY):
        empty()
    idle = idle_share()
    first = _round(0)
    for name in (EMPTY, COPY):
        with ledger(name):
            analyze()  # an empty table has no statistics, but a ledger in use always has some
    rounds = [_round(place) for place in range(1, repeats + 1)]
    return {
        "idle_before": round(idle, 2),
        "figures": {what: _compared(what, rounds, first) for what in STEPS},
    }


def _round(place: int) -> dict[str, Round]:
    """Run each step on one ledger and then on the other; the order changes from round to round."""
    figures: dict[str, Round] = {EMPTY: {}, COPY: {}}
    for what, step in STEPS.items():
        for name in sorted(figures, reverse=place % 2 == 0):
            with ledger(name):
                execute("SELECT 1")  # connects
                began = both_seconds()
                figures[name][what] = step(place)
                figures[name][_processor(what)] = both_seconds() - began
    current_app.control.purge()
    return figures


def _compared(what: str, rounds: Sequence[dict[str, Round]], first: dict[str, Round]) -> Any:
    before, grown = ([each[name][what] for each in rounds] for name in (EMPTY, COPY))
    ratios = [one / other for one, other in zip(grown, before, strict=True)]
    return {
        "empty": _spread_of(before),
        "grown": {**_spread_of(grown), "first_touch": _rounded(first[COPY][what])},
        "grown_to_empty": round(median(ratios), 2),
        "processor_time_grown_to_empty": _ratio_of_processor_time(what, rounds),
        "grown_to_empty_each": [round(ratio, 2) for ratio in ratios],
        "within_20_percent": _holds(what, median(ratios)),
    }


def _processor(what: str) -> str:
    return f"{what} processor seconds"


def _ratio_of_processor_time(what: str, rounds: Sequence[dict[str, Round]]) -> float:
    """The ratio of processor time for the same work, which the machine's load hardly affects."""
    name = _processor(what)
    return round(median(each[COPY][name] / each[EMPTY][name] for each in rounds), 2)


def _holds(what: str, ratio: float) -> bool:
    """Whether the ratio is within the tolerance: a duration may not grow, a rate may not fall."""
    return ratio <= 1 + TOLERANCE if what.endswith("_ms") else ratio >= 1 - TOLERANCE


def _spread_of(values: Sequence[float]) -> dict[str, float]:
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: _rounded(value) for name, value in named.items()}


def _rounded(value: float) -> float:
    return round(value) if value >= 100 else round(value, 2)


def measure(
    server: Server, *, sizes: Sequence[int], repeats: int, save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Prepare two ledgers, let one grow from size to size, and measure both at each size.

    ``save`` gets the figures so far after each size, because the last one may take an hour.
    """
    figures: dict[str, Any] = {"machine": machine(), "server": server.settings(), "sizes": {}}
    _say(of_server(figures))
    with ledger(GROWN):
        prepare()
    server.create(EMPTY, template=GROWN)
    have = 0
    for want in sizes:
        figures["sizes"][want] = _grown(have, want, sizes[-1])
        if not have:
            figures["insert_cost"] = {"at_runs": want, **_insert_costs(server, want)}
        server.create(COPY, template=GROWN)
        figures["sizes"][want] |= compare(repeats)
        _say(at_size(want, figures["sizes"][want]))
        have = want
        save(figures)
    figures |= _of_the_largest(server)
    _say(of_indexes(figures))
    save(figures)
    return figures


def _grown(have: int, want: int, total: int) -> dict[str, Any]:
    with ledger(GROWN):
        slices = grow(have=have, want=want, total=total)
        began = time.perf_counter()
        vacuum()
        vacuumed = time.perf_counter() - began
        grown = {"slices": slices, "vacuum_analyze_seconds": round(vacuumed, 1)}
        return {"growing": grown, "size": weights(want)}


def _insert_costs(server: Server, have: int) -> dict[str, Any]:
    server.create(COPY, template=GROWN)
    with ledger(COPY):
        return insert_costs(have)


def _of_the_largest(server: Server) -> dict[str, Any]:
    server.create(COPY, template=GROWN)
    with ledger(COPY):
        return {"backlog": measure_backlog(), "indexes": check_indexes()}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
