"""`python -m benchmarks.peers`: prepares, measures in turn, prints JSON and a table."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks.isolated import SERVER, Server
from benchmarks.machine import idle_before, machine, markdown, spread
from benchmarks.peers.installing import install, versions
from benchmarks.peers.measuring import (
    FIGURES,
    NEURAL,
    PEERS,
    SERVER_SETTINGS,
    Bench,
    Candidate,
    is_durable,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the options choose."""
    options = _options(arguments)
    _refuse_broker_in_use(options.broker)
    candidates = [each for each in _chosen(options.only) if _is_installed(each)]
    server = Server(options.postgresql)
    result = _about(server, candidates, options)
    try:
        result |= _measured(Bench(server, options.broker, options.events), candidates, options)
    finally:
        server.drop_all()
    print(table(result["figures"]), file=sys.stderr)
    with open(options.json, "w") if options.json else sys.stdout as file:
        json.dump(result, file, indent=2)
        file.write("\n")


def _measured(
    bench: Bench, candidates: list[Candidate], options: argparse.Namespace
) -> dict[str, Any]:
    for candidate in candidates:
        _say(f"preparing {candidate.name}")
        bench.prepare(candidate)
    repeats = [_repeat(bench, candidates, number) for number in range(options.repeats)]
    return {"repeats": repeats, "figures": summary([each["rates"] for each in repeats])}


def _repeat(bench: Bench, candidates: list[Candidate], number: int) -> dict[str, Any]:
    """Measure every candidate once, beginning with another one than in the repeat before."""
    place = number % len(candidates)
    idle, rates = {}, {}
    for candidate in candidates[place:] + candidates[:place]:
        name = candidate.name
        idle[name] = idle_before(f"repeat {number + 1}, {name}")
        rates[name] = bench.measure(candidate)
        _say("  " + ", ".join(f"{figure} {rate:,.0f}" for figure, rate in rates[name].items()))
    return {
        # In the order of the measurements.
        "idle_before": idle,
        "rates": {each.name: rates[each.name] for each in candidates},
    }


def _about(
    server: Server, candidates: list[Candidate], options: argparse.Namespace
) -> dict[str, Any]:
    postgresql = server.settings(*SERVER_SETTINGS)
    if not is_durable(postgresql):
        _say("WARNING: this server does not keep a commit through a power cut")
    return {
        "machine": machine(),
        "packages_of_peers": {
            name: version
            for python in {Path(each.python) for each in candidates if each.apps}
            for name, version in versions(python).items()
        },
        "postgresql": postgresql,
        "broker": "a Redis server" if options.broker else "embedded Valkey, append-only file",
        "events": options.events,
        "systems": {candidate.name: candidate.said for candidate in candidates},
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = ", ".join(peer.name for peer in PEERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--events", type=int, default=4000, help="events of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="how often all are measured")
    parser.add_argument("--only", help=f"these peers beside Neural, by commas: {names}")
    parser.add_argument("--json", metavar="FILE", help="where to write the JSON (stdout)")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    parser.add_argument("--broker", metavar="URL", help="an empty Redis database; it is emptied")
    return parser.parse_args(arguments)


def _chosen(only: str | None) -> list[Candidate]:
    known = {peer.name: peer for peer in PEERS}
    names = [name for name in only.split(",") if name != NEURAL.name] if only else list(known)
    unknown = sorted(set(names) - known.keys())
    if unknown:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join(known)}.")
    return [NEURAL, *(known[name] for name in names)]


def _is_installed(candidate: Candidate) -> bool:
    """Whether a candidate can be measured; a peer is installed if it is not."""
    if not candidate.apps or install(newer=candidate.newer_python):
        return True
    _say(f"{candidate.name} is left out: it needs Python 3.12, which is not here")
    return False


def _refuse_broker_in_use(url: str | None) -> None:
    if url and redis.Redis.from_url(url).dbsize():
        sys.exit("--broker: this database is not empty, and would be emptied. Name another one.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# The table: medians and ratios

Rates = dict[str, dict[str, float]]
"""The rates of one repeat, by system and figure."""
Spread = dict[str, float]


def summary(repeats: Sequence[Rates]) -> dict[str, Any]:
    """For each figure, the systems' rates and Neural's ratio to each peer."""
    return {
        figure: {
            "per_second": {
                name: spread((rates[name][figure] for rates in repeats), 1)
                for name in repeats[0]
                if figure in repeats[0][name]
            },
            "neural_is_times": {
                name: spread(
                    (rates[NEURAL.name][figure] / rates[name][figure] for rates in repeats), 2
                )
                for name in repeats[0]
                if figure in repeats[0][name] and name != NEURAL.name
            },
        }
        for figure in FIGURES
    }


def table(figures: dict[str, Any]) -> str:
    """The summary as a Markdown table: rates, and how many times a peer's rate Neural's is."""
    systems = dict.fromkeys(name for each in figures.values() for name in each["per_second"])
    rows = [("events a second · times", *(name.replace("_", " ") for name in figures))]
    rows += [(name, *(_cell(both, name) for both in figures.values())) for name in systems]
    return markdown(rows)


def _cell(both: dict[str, dict[str, Spread]], name: str) -> str:
    """Median (least–greatest) of the rates, and the median of the ratios."""
    if not (rates := both["per_second"].get(name)):
        return ""
    text = f"{rates['median']:,.0f} ({rates['min']:,.0f}–{rates['max']:,.0f})"
    ratio = both["neural_is_times"].get(name)
    return f"{text} · {ratio['median']:.2f}" if ratio else text


if __name__ == "__main__":
    main()
