"""Runs the whole measurement, in order."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.growth.backlog import measure_backlog
from benchmarks.growth.comparing import compare
from benchmarks.growth.database import COPY, EMPTY, GROWN, Server
from benchmarks.growth.explaining import check_indexes
from benchmarks.growth.growing import grow
from benchmarks.growth.insert_cost import insert_costs
from benchmarks.growth.ledger import ledger, prepare, vacuum
from benchmarks.growth.report import at_size, of_indexes, of_server
from benchmarks.growth.sizes import weights
from benchmarks.machine import machine


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
