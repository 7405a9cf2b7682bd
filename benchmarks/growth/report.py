"""Formats the figures as text."""

from collections.abc import Iterator, Mapping
from typing import Any

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
