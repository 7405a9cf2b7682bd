"""Measures the HTTP API beside a bare Django view that inserts one row, in one run.

    python -m benchmarks.http_api
    python -m benchmarks.http_api --events 4000 --repeats 5

Both are served by the same two gunicorn processes; single events and bare rows take turns. Then
batches of NDJSON follow, and the largest memory of the processes during a batch of 16 MiB. Prints
JSON. Compare ratios, not rates: client, server and database share the machine.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    events=(3000, "single events of each turn"),
    batch=(10_000, "events of each batch"),
    repeats=(5, "turns"),
    connections=(8, "connections of the client"),
    large=(16, "MiB of the batch for memory"),
)

from benchmarks.http_load import HOST, Load, request, send, web_processes
from benchmarks.load.events import sales_report
from benchmarks.load.menu import orders
from benchmarks.machine import idle_share, memory_kilobytes, spread
from neural.api import keys
from neural.api.models import Scope

SINGLE = "/api/v1/events"
BATCH = "/api/v1/events/batch"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
MIB = 1024 * 1024
MARGIN = 4096
"""So many bytes less than the largest batch that the API takes."""
EVENTS_OF_LARGE = 9000


def main(
    *, events: int, batch: int, repeats: int, connections: int, large: int, **database: str
) -> None:
    _, key = keys.issue(name="benchmark", scopes=[Scope.EVENTS_WRITE], stores=None)
    with web_processes() as (port, processes):
        tried = Trial(port, {"Authorization": f"Bearer {key}"}, connections)
        tried.single(events // 10 or 1, seed=0)  # imports, connections, stores
        tried.bare(events // 10 or 1, seed=0)
        turns = [tried.turn(events, seed=number + 1) for number in range(repeats)]
        batches = [tried.batch(batch, seed=1000 + number) for number in range(repeats)]
        memory = tried.memory_of_a_large_batch(processes, large * MIB - MARGIN)
    json.dump({**_over(turns), "batch": _over(batches), "memory": memory}, sys.stdout)


class Trial:
    """Loads of one kind after the other on one server."""

    def __init__(self, port: int, key: dict[str, str], connections: int) -> None:
        self._port = port
        self._key = key
        self._connections = connections

    def turn(self, events: int, *, seed: int) -> dict[str, float]:
        """Single events and bare rows, of which the first alternates."""
        first, second = (self.single, self.bare) if seed % 2 else (self.bare, self.single)
        loads = {first.__name__: first(events, seed=seed)}
        loads[second.__name__] = second(events, seed=seed)
        figures: dict[str, float] = {"idle_before": idle_share()}
        for name, load in loads.items():
            figures[f"{name}_per_second"] = load.per_second
            figures[f"{name}_p50_ms"] = 1000 * load.percentile(0.5)
            figures[f"{name}_p99_ms"] = 1000 * load.percentile(0.99)
        figures["single_of_bare"] = loads["single"].per_second / loads["bare"].per_second
        return figures

    def single(self, events: int, *, seed: int) -> Load:
        """An order a request."""
        headers = {**JSON, **self._key}
        return self._send([request(SINGLE, each, headers) for each in _orders(events, seed)])

    def bare(self, events: int, *, seed: int) -> Load:
        """The same bodies for the bare view."""
        return self._send([request("/bare", each, JSON) for each in _orders(events, seed)])

    def _send(self, requests: Sequence[bytes]) -> Load:
        return send(self._port, requests, connections=self._connections, expected=202)

    def batch(self, events: int, *, seed: int) -> dict[str, float]:
        """One client's batch, and those of two clients at once: of orders, and of the sales reports
        that `benchmarks.rates` submits."""
        figures: dict[str, float] = {}
        for name, made in (("orders", _orders), ("reports", _reports)):
            figures[f"{name}_per_second"] = self._batches(made, events, [seed])
            two = [seed + 10_000, seed + 20_000]
            figures[f"{name}_per_second_of_two"] = self._batches(made, events, two)
        return figures

    def _batches(self, made: "Made", events: int, seeds: Sequence[int]) -> float:
        bodies = [b"\n".join(made(events, seed)) for seed in seeds]
        with ThreadPoolExecutor(len(bodies)) as clients:
            started = time.perf_counter()
            new = sum(clients.map(self._post, bodies))
            seconds = time.perf_counter() - started
        assert new == events * len(seeds), f"{new} of {events} events are new"
        return new / seconds

    def _post(self, body: bytes) -> int:
        """Send a batch; returns how many of its events were new."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=600)
        connection.request("POST", BATCH, body, {**NDJSON, **self._key})
        answer = connection.getresponse()
        last = answer.read().splitlines()[-1]
        connection.close()
        new: int = json.loads(last)["summary"]["new"]
        return new

    def memory_of_a_large_batch(self, processes: Sequence[int], most: int) -> dict[str, Any]:
        """The web processes' largest memory before and during a batch of ``most`` bytes."""
        event = json.loads(next(_orders(1, seed=1)))
        padding = "x" * (16 * MIB // EVENTS_OF_LARGE)
        lines: list[bytes] = []
        size = 0
        while True:
            event["event_id"] = f"large-{len(lines)}"
            event["payload"]["order_id"] = event["event_id"]
            line = json.dumps({**event, "payload": {**event["payload"], "note": padding}}).encode()
            size += len(line) + 1
            if size > most:
                break
            lines.append(line)
        before = sum(memory_kilobytes(each, "VmHWM") for each in processes)
        new = self._post(b"\n".join(lines))
        after = sum(memory_kilobytes(each, "VmHWM") for each in processes)
        return {
            "events": new,
            "megabytes": round(most / 1e6, 1),
            "peak_before_mib": round(before / 1024),
            "peak_after_mib": round(after / 1024),
        }


def _orders(events: int, seed: int) -> Iterator[bytes]:
    for event in islice(orders(events, seed=seed), events):
        yield json.dumps(event, ensure_ascii=False).encode()


def _reports(events: int, seed: int) -> Iterator[bytes]:
    for number in range(events):
        yield json.dumps(sales_report(f"http-{seed}", number)).encode()


Made = Callable[[int, int], Iterator[bytes]]


def _over(turns: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {name: spread((turn[name] for turn in turns), 3) for name in turns[0]}


if __name__ == "__main__":
    main(**vars(OPTIONS))
