"""Measures what a search costs, and a keystroke of the header's box, by the number of records.

    python -m benchmarks.search_cost                                SQLite and PostgreSQL
    python -m benchmarks.search_cost --rows 3000 20000 200000 1000000
    python -m benchmarks.search_cost --rows 200000 --typing --keep FOLDER

Invents orders of a chain and indexes them; a fifth have written text, and a vector made of those of
their dishes. Prints JSON with the store of vectors that was measured: of each kind of question the
milliseconds of this process's processor time (median and 95th percentile), by the clock, and the
number of statements. PostgreSQL's own time is in the clock alone. With ``--typing`` the header's
box is asked instead, over HTTP, as in :mod:`benchmarks.keystrokes`. A folder that is kept has one
size and one kind of data.
"""

import datetime as dt
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    rows=([3_000, 20_000, 200_000], "numbers of records"),
    repeats=(3, "times that each question is asked; the first is not measured"),
    keep=("", "folder in which the databases are left, and taken again"),
    typing=(False, "measure instead what is typed into the header's box, over HTTP"),
)

import numpy as np
from django.db import connection
from django.utils import timezone

import neural
from benchmarks import keystrokes
from neural.retrieval.choosing import embedder, vector_store
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.conf import conf
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.fields import shape_of
from neural.retrieval.index.writing import search_row
from neural.retrieval.models import IngestedRecord
from neural.retrieval.query.searching import search
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Row

MENU = Path(__file__).parent / "search_questions" / "menu.txt"
STORES = tuple(f"S{number:03}" for number in range(40))
GUESTS = ("Ana Lima", "王小明", "Chloé Dubois", "李娜", "Omar Haddad", "张伟", "Ivy Chen", "刘洋")
WISHES = (
    "no ice",
    "不要香菜",
    "window seat",
    "少辣",
    "birthday candle",
    "extra napkins",
    "打包",
    "",
)
AT_A_TIME = 1_000
QUESTIONS = {
    "number": ("R-2417", "1380013 0042", "table 12 R-1200"),
    "end of a number": ("2417", "尾号0042", "0873"),
    "whole name": ("麻婆豆腐", "Pad thai", "回锅肉"),
    "words": ("extra napkins window", "不要香菜的外卖", "tofu for Chloé"),
    "common words": ("orders with rice and chicken", "鸡肉和牛肉", "soup"),
    "slip": ("sourdogh", "kung pao chiken", "回锅内"),
    "sound": ("mapodoufu", "huiguorou", "gbjd"),
    "filter": ("state:paid amount>180", "store:S007 yesterday", "渠道:外卖 tofu"),
    "by meaning": (
        "something warm for a cold evening",
        "适合小孩的清淡菜",
        "seafood from the grill",
    ),
    "nothing": ("量子力学", "car insurance", "asdfgh"),
}
TYPED = ("croissant", "mapo doufu", "麻婆豆腐", "R-2417", "kung pao", "gongbao")


def main(rows: Sequence[int], repeats: int, *, typing: bool) -> None:
    figures: dict[str, Any] = {"vector store": conf().vector_store}
    for number in rows:
        if typing:
            figures[f"{number:,}"] = keystrokes.measured(orders(number), number, repeats)
            continue
        name = f"cost_{number}"
        began = time.perf_counter()
        build(name, number)
        built = round(time.perf_counter() - began, 1)
        figures[f"{number:,}"] = {"built_in_seconds": built, **measured(name, repeats)}
    json.dump(figures, sys.stdout)


def orders(number: int) -> Iterator[dict[str, Any]]:
    """Invented orders, about one in three seconds up to now."""
    dice, now = random.Random(number), timezone.now()
    dishes = [line.split("|")[1:4] for line in MENU.read_text("utf-8").splitlines()]
    for place in range(number):
        served = dice.sample(dishes, dice.randint(1, 4))
        yield {
            "id": f"R-{place + 1000}",
            "store_id": dice.choice(STORES),
            "at": (now - dt.timedelta(seconds=3 * (number - place))).isoformat(),
            "dishes": [f"{chinese} {english}" for chinese, english, _ in served],
            "guest": dice.choice(GUESTS),
            "phone": f"138{dice.randint(0, 10**8 - 1):08}",
            "table": str(dice.randint(1, 60)),
            "amount": dice.randint(20, 20_000) / 100,
            "state": dice.choice(("paid", "unpaid", "refunded")),
            "channel": dice.choice(("dine_in", "takeaway", "delivery")),
            "note": dice.choice(WISHES),
        }


def document(record: dict[str, Any]) -> neural.Document:
    """The document of an invented order."""
    facts = {"payment": record["state"], "channel": record["channel"], "amount": record["amount"]}
    return neural.Document(
        id=record["id"],
        store=record["store_id"],
        kind="order",
        at=dt.datetime.fromisoformat(record["at"]),
        title=f"Order {record['id']}",
        names=tuple(record["dishes"]),
        numbers=(record["id"], record["phone"], record["table"], str(record["amount"])),
        text=f"{record['guest']} · {record['note']} · {record['state']} · {record['channel']}",
        facts=facts,
    )


def build(name: str, number: int) -> None:
    """Index invented orders in a collection of this name."""
    neural.register_collection(
        neural.SearchCollection(name=name, label=name, document=document)  # type: ignore[arg-type]
    )
    (index,) = written_indexes(collection_of(name))
    if index.rows == number:  # it was kept
        return
    store = vector_store()
    store.create(index.table, shape_of(index.vectors, index.dimensions))
    invented = orders(number)
    while some := list(islice(invented, AT_A_TIME)):
        documents = [document(each) for each in some]
        keys = [each.key for each in documents]
        records = zip(keys, some, strict=True)
        IngestedRecord.objects.bulk_create(
            IngestedRecord(collection=name, key=key, data=each) for key, each in records
        )
        rows = map(partial(search_row, index, version=1), keys, documents)
        words.upsert(index.pk, list(rows))
        # Not embedded, which would take most of the time of building.
        vectors = zip(keys, documents, _vectors(documents), strict=True)
        store.upsert(
            index.table,
            [
                Row(key=key, store=each.store, vectors={"whole": vector})
                for key, each, vector in islice(vectors, 0, None, 5)
            ],
        )
    index.rows = number
    index.save(update_fields=["rows"])
    store.compact(index.table)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


_KNOWN: dict[str, Any] = {}


def _vectors(documents: Sequence[neural.Document]) -> Iterator[Any]:
    """A vector for each: those of their dishes added up, and some noise."""
    dice = np.random.default_rng(len(documents))
    names = sorted({name for each in documents for name in each.names} - _KNOWN.keys())
    if names:
        _KNOWN.update(zip(names, embedder().embed(names), strict=True))
    for each in documents:
        vector = sum(_KNOWN[name] for name in each.names)
        vector = vector / np.linalg.norm(vector)
        vector = vector + dice.normal(0, 0.5 / len(vector) ** 0.5, len(vector))
        yield np.float32(vector / np.linalg.norm(vector))


def measured(name: str, repeats: int) -> dict[str, Any]:
    """The figures of a collection by kind of question, of all, and of keystrokes."""
    kinds = {kind: _asked(name, texts, repeats) for kind, texts in QUESTIONS.items()}
    keystrokes = [text[:end] for text in TYPED for end in range(2, len(text) + 1)]
    kinds["a keystroke"] = _asked(name, keystrokes, repeats, meaning=False)
    searches = [each for kind in QUESTIONS for each in kinds[kind]]
    return {
        "all searches": _summary(searches),
        **{kind: _summary(each) for kind, each in kinds.items()},
    }


def _asked(
    name: str, texts: Sequence[str], repeats: int, **options: Any
) -> list[tuple[float, ...]]:
    """Processor time and clock in milliseconds, and statements, of each question."""
    found = []
    for text in texts:
        ask = partial(search, text, name, **options)
        asks = [_timed(ask) for _ in range(repeats + 1)]
        found.append(tuple(float(np.median(each)) for each in zip(*asks[1:], strict=True)))
    return found


def _timed(call: Callable[[], Any]) -> tuple[float, float, float]:
    statements = 0

    def counting(execute: Any, *given: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*given)

    with connection.execute_wrapper(counting):
        clock, processor = time.perf_counter(), time.process_time()
        call()
        processor, clock = time.process_time() - processor, time.perf_counter() - clock
    return processor * 1000, clock * 1000, statements


def _summary(asked: Sequence[tuple[float, ...]]) -> dict[str, float]:
    processor, clock, statements = np.array(asked).T
    return {
        "processor_ms": round(float(np.median(processor)), 1),
        "processor_ms_p95": round(float(np.percentile(processor, 95)), 1),
        "clock_ms": round(float(np.median(clock)), 1),
        "clock_ms_p95": round(float(np.percentile(clock, 95)), 1),
        "statements": int(np.median(statements)),
    }


if __name__ == "__main__":
    main(OPTIONS.rows, OPTIONS.repeats, typing=OPTIONS.typing)
