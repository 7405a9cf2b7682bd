"""Measures how fast texts become vectors, compared with direct calls of the package.

    python -m benchmarks.embedding

Needs dishes_zh.jsonl (HowToCook's recipes) among the shared data. With `--quick` it
uses a few invented texts, which only shows that it works.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.load.menu import described_dishes
from benchmarks.machine import DataAbsent, data_file, machine, memory_kilobytes
from neural.retrieval.embedders.base import CachingEmbedder
from neural.retrieval.embedders.usem3 import Usem3

QUICK = "--quick" in sys.argv  # also in the processes that it starts
KINDS = ("orders",) if QUICK else ("names", "orders", "descriptions")
BATCHES = (8,) if QUICK else (1, 8, 64, 256)
THREADS, PROCESSES = ((1,), 1) if QUICK else ((1, 2), 2)
ROUNDS, SECONDS, SECONDS_OF_TWO = (1, 0.01, 0.01) if QUICK else (4, 0.3, 4)
"""The best of some rounds counts. The methods take turns, so other work disturbs all alike."""

Encode = Callable[[list[str]], Any]


def main() -> None:
    texts = _texts()
    figures: dict[str, Any] = {"machine": machine(), "first_call": _first_call()}
    figures["characters"] = {kind: _mean_length(each) for kind, each in texts.items()}
    figures["texts_per_second"] = {kind: _rates(texts[kind]) for kind in KINDS}
    figures["two_processes_at_once"] = _two_processes()
    figures["remembered"] = _remembered(texts["orders"])
    figures["one_query_ms"] = _queries(texts["names"], texts["descriptions"])
    json.dump(figures, sys.stdout, indent=2)
    print()


def _dishes() -> list[dict[str, Any]]:
    if QUICK:
        return list(described_dishes(20))
    try:
        path = data_file("dishes_zh.jsonl")
    except DataAbsent as absent:
        sys.exit(str(absent))
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _texts() -> dict[str, list[str]]:
    dishes = _dishes()
    names = [dish["title"] for dish in dishes]
    chance = random.Random(1)
    orders = [" ".join(chance.sample(names, 3)) for _ in range(40 if QUICK else 4000)]
    return {
        "names": names,
        "orders": orders,
        "descriptions": [dish["description"] for dish in dishes],
    }


def _mean_length(texts: list[str]) -> float:
    return round(sum(map(len, texts)) / len(texts), 1)


@cache
def embedder(threads: int = 1) -> Usem3:
    """The embedder, loaded once a process."""
    return Usem3(threads=threads)


def _first_call() -> dict[str, float]:
    before, start = memory_kilobytes("self") // 1024, time.perf_counter()
    embedder().embed(["豆腐"])
    took = time.perf_counter() - start
    return {"seconds": round(took, 2), "resident_mib": memory_kilobytes("self") // 1024 - before}


def _rates(texts: list[str]) -> dict[str, dict[str, list[int]]]:
    """By method and texts a call: texts a second, and texts a second of processor time."""
    from usem3 import USE

    ways: dict[str, Encode] = {"package": USE(threads=1).encode}
    for threads, name in zip(THREADS, ("ours", "ours, two threads"), strict=False):
        ways[name] = embedder(threads).embed
    figures: dict[str, dict[str, list[int]]] = {way: {} for way in ways}
    for batch in BATCHES:
        rounds = [
            {way: _rate(each, texts, batch) for way, each in ways.items()} for _ in range(ROUNDS)
        ]
        for way in ways:
            best = np.max([each[way] for each in rounds], axis=0)
            figures[way][f"{batch} a call"] = [round(each) for each in best]
    return figures


def _rate(
    encode: Encode, texts: list[str], batch: int, seconds: float = SECONDS
) -> tuple[float, float]:
    encode(texts[:1])
    done, start, used = 0, time.perf_counter(), time.process_time()
    for part in _for_ever(texts, batch):
        encode(part)
        done += len(part)
        if time.perf_counter() - start >= seconds:
            break
    return done / (time.perf_counter() - start), done / (time.process_time() - used)


def _for_ever(texts: list[str], batch: int) -> Iterator[list[str]]:
    def again() -> Iterator[str]:
        while True:
            yield from texts

    endless = again()
    while True:
        yield list(islice(endless, batch))


def _two_processes() -> dict[str, float]:
    """Orders a second of two processes together, with one BLAS thread each and with two."""
    both = {}
    for threads in THREADS:
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            list(pool.map(_loaded, [threads] * PROCESSES))
            both[f"{threads} threads each"] = round(
                sum(pool.map(_rate_of_orders, [threads] * PROCESSES))
            )
    return both


def _loaded(threads: int) -> None:
    embedder(threads).embed(["豆腐"])
    time.sleep(2 * (PROCESSES - 1))  # so that each of the processes takes one task


def _rate_of_orders(threads: int) -> float:
    return _rate(embedder(threads).embed, _texts()["orders"], 256, seconds=SECONDS_OF_TWO)[0]


def _remembered(orders: list[str]) -> dict[str, float]:
    remembered = CachingEmbedder(embedder())
    dishes = [dish for order in orders for dish in order.split(" ")]
    start = time.perf_counter()
    for place in range(0, len(dishes), 512):
        remembered.embed(dishes[place : place + 512])
    took = time.perf_counter() - start
    return {
        "dishes_of_orders_per_second": round(len(dishes) / took),
        "known_texts_per_second": round(_rate(remembered.embed, dishes, 512)[0]),
    }


def _queries(queries: list[str], batch: list[str]) -> dict[str, list[float]]:
    """Median and 95th percentile: alone, and while another thread embeds descriptions."""
    usem3 = embedder()
    usem3.embed(queries[:1])
    alone = _percentiles(usem3.embed, queries)
    other = threading.Thread(target=usem3.embed, args=[batch * 4])
    other.start()
    beside = _percentiles(usem3.embed, queries[:60])
    other.join()
    return {"alone": alone, "beside a batch": beside}


def _percentiles(encode: Encode, queries: list[str]) -> list[float]:
    waits = []
    for query in queries:
        start = time.perf_counter()
        encode([query])
        waits.append((time.perf_counter() - start) * 1000)
    return [round(float(each), 1) for each in np.percentile(waits, [50, 95])]


if __name__ == "__main__":
    main()
