"""Runs the whole measurement, in order: grows ledgers, measures them in turn, prints a table."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

from celery import current_app
from django.core.management import call_command

from benchmarks.console import figure_rows
from benchmarks.growth.costs import TOLERANCE, insert_costs, measure_backlog
from benchmarks.growth.disk import measure_orders
from benchmarks.growth.growing import RUNS_A_DAY, grow
from benchmarks.growth.indexes import check_indexes
from benchmarks.growth.ledger import Figure, execute, ledger, prepare, vacuum, weights
from benchmarks.growth.measuring import STEPS, first_place
from benchmarks.growth.pages import chief, of_pages, of_pruning
from benchmarks.isolated import Server
from benchmarks.machine import idle_share, machine, spread

FIGURE_DAYS, LEAST_FIGURE_DAYS = 400, 8
"""Days of which figures are kept beside runs of thirty days; smaller ledgers are younger, but have
the days of which a page may be."""
SMALL = 100_000
"""A smaller ledger is filled for a test, with figures of a day."""
PARTS = ("pace", "pages", "prune", "backlog", "indexes", "costs", "disk")
Names = Mapping[int, str]
"""The databases, by their numbers of finished runs."""
Step = Callable[[int, int], Mapping[str, Figure]]
"""Takes the number of runs of the ledger that is measured, and the place of the round."""
Round = Mapping[int, Mapping[str, Figure]]


def measure(
    server: Server,
    *,
    names: Names,
    parts: Sequence[str],
    repeats: int,
    reuse: bool,
    save: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Grow a ledger of each size, unless they are there (``reuse``), and measure these parts.

    ``save`` gets the figures so far after each of them.
    """
    figures: dict[str, Any] = {"machine": machine(), "server": server.settings()}
    _say(_of_server(figures))
    figures["sizes"] = {size: _weighed(size, name, grows=not reuse) for size, name in names.items()}
    _say("\n".join(line for size, weight in figures["sizes"].items() for line in _weight(weight)))
    save(figures)
    figures["idle_before"] = round(idle_share(), 2)
    if steps := list(_steps(names, parts)):
        figures["figures"] = _compared(names, steps, repeats)
        _say("\n".join(_table(figures["figures"], names)))
        save(figures)
    few, many = names[min(names)], names[max(names)]
    for part, work, name, lines in (
        ("backlog", measure_backlog, many, _backlog),
        ("indexes", check_indexes, many, _queries),
        ("costs", partial(insert_costs, min(names)), few, _costs),
        ("disk", partial(measure_orders, min(names)), few, _disk),
    ):
        if part in parts:
            with ledger(name):
                figures[part] = work()
            _say("\n".join(lines(figures[part])))
            save(figures)
    return figures


def _weighed(size: int, name: str, *, grows: bool) -> dict[str, Any]:
    grown: dict[str, Any] = {}
    with ledger(name):
        if grows:
            prepare()
            grown = grow(size)
            days = max(FIGURE_DAYS * size // (30 * RUNS_A_DAY), LEAST_FIGURE_DAYS)
            figure_rows.fill(days if size >= SMALL else 1)
            execute("VACUUM (ANALYZE)")
        else:
            call_command("migrate", verbosity=0)
            vacuum()
        execute("CHECKPOINT")
        return {**grown, **weights(size)}


def _steps(names: Names, parts: Sequence[str]) -> Iterator[Step]:
    if "pace" in parts:
        first = _first_place(names)
        for what, step in STEPS.items():
            yield partial(_paced, what, step, first)
    if "pages" in parts:
        call_command("collectstatic", interactive=False, verbosity=0)
        viewers = {size: _viewer(size, name) for size, name in names.items()}
        yield lambda size, place: of_pages(viewers[size], place)
    if "prune" in parts:
        yield lambda size, place: of_pruning()


def _paced(
    what: str, step: Callable[[int], Figure], first: int, size: int, place: int
) -> Mapping[str, Figure]:
    return {what: step(first + place)}


def _first_place(names: Names) -> int:
    found = []
    for name in names.values():
        with ledger(name):
            found.append(first_place())
    return max(found)


def _viewer(size: int, name: str) -> Any:
    with ledger(name):
        return chief(size)


def _compared(names: Names, steps: Sequence[Step], repeats: int) -> dict[str, Any]:
    """Measure all ledgers in turn, round by round; the first round warms up. What not every ledger
    has enough rows for is left out."""
    _round(names, steps, 0)
    rounds = [_round(names, steps, place) for place in range(1, repeats + 1)]
    least = min(names)
    everywhere = [
        what
        for what in rounds[0][least]
        if all(what in each[size] for each in rounds for size in names)
    ]
    return {
        what: {size: _against(rounds, what, size, least) for size in names} for what in everywhere
    }


def _round(names: Names, steps: Sequence[Step], place: int) -> Round:
    figures: dict[int, dict[str, Figure]] = {size: {} for size in names}
    for step in steps:
        for size in sorted(names, reverse=place % 2 == 0):
            with ledger(names[size]):
                execute("SELECT 1")  # connects
                figures[size] |= step(size, place)
    current_app.control.purge()
    return figures


def _against(rounds: Sequence[Round], what: str, size: int, least: int) -> dict[str, Any]:
    own = [each[size][what] for each in rounds]
    pairs = [zip(each[size][what], each[least][what], strict=True) for each in rounds]
    ratios = [Figure(*(mine / other if other else 1.0 for mine, other in pair)) for pair in pairs]
    return {
        **spread((each.clock for each in own), 2),
        "ratio": round(median(each.clock for each in ratios), 2),
        "processor_ratio": round(median(each.processor for each in ratios), 2),
    }


def _of_server(figures: Mapping[str, Any]) -> str:
    """The server and machine on which the figures were measured."""
    machine, server = figures["machine"], figures["server"]
    settings = ", ".join(f"{name} {value}" for name, value in server.items())
    return f"{machine['processor']}, {machine['cores']} cores\nPostgreSQL: {settings}"


def _weight(size: Mapping[str, Any]) -> Iterator[str]:
    """Rows and bytes of the ledger's tables and indexes, and of other large tables."""
    yield f"\n{size['runs']:,} finished runs; the whole database {size['megabytes']:,} MB"
    if "live_runs_per_second" in size:
        yield f"  the last million grew by {size['live_runs_per_second']:,} runs a second"
    for table, weight in size["tables"].items():
        yield f"  {table:42}{weight['rows']:>12,} rows {_size(weight)} bytes a row"
        for name, index in weight["indexes"].items():
            yield f"    {name:57} {_size(index)}"


def _size(weight: Mapping[str, float]) -> str:
    return f"{weight['megabytes']:>8,} MB {weight['bytes_a_row']:>8}"


def _table(figures: Mapping[str, Any], names: Names) -> Iterator[str]:
    yield "\nMilliseconds: median (least to greatest)"
    yield f"× ratio to {min(names):,} runs (ratio of processor time)"
    for what, sizes in figures.items():
        holds = max(each["ratio"] for each in sizes.values()) <= 1 + TOLERANCE
        cells = "".join(f"{_cell(each):>38}" for each in sizes.values())
        yield f"  {what:34}{cells}  {_yes(holds)}"


def _cell(figure: Mapping[str, float]) -> str:
    spread = f"{figure['median']:,} ({figure['min']:,}–{figure['max']:,})"
    return f"{spread} × {figure['ratio']} ({figure['processor_ratio']})"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def _backlog(backlog: Mapping[str, Any]) -> Iterator[str]:
    few, many = backlog["few"], backlog["many"]
    yield f"\nWith {few['waiting']:,} and {many['waiting']:,} waiting since the last ANALYZE"
    for what, ratio in backlog["many_to_few"].items():
        holds = _yes(backlog["holds"][what])
        yield f"  {what:26}{few[what]:>22,}{many[what]:>22,}{ratio:>7}  {holds}"


def _costs(costs: Mapping[str, Any]) -> Iterator[str]:
    yield "\nWhat an index costs an insert"
    for table, cost in costs.items():
        yield f"  {cost['rows']:,} rows into {table}: {cost['seconds_with_all']} s"
        for name, microseconds in cost["microseconds_a_row_of_index"].items():
            yield f"    {name:40}{microseconds:>10} µs a row"


def _queries(indexes: Mapping[str, Any]) -> Iterator[str]:
    yield "\nWhich query needs an index, and does it use it?"
    for name, answer in indexes["queries"].items():
        yield f"  {_yes(answer['used']):5}{name:34}{answer['query']}"
    for name, why in indexes["flagged"].items():
        yield f"  FLAGGED {name}: {why}"


def _disk(sizes: Mapping[str, int]) -> Iterator[str]:
    yield "\nBytes of an order with a payment, beside its events and runs"
    for name, size in sizes.items():
        yield f"  {name:34}{size:>10,}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
