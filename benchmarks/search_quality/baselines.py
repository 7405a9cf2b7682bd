"""Methods to compare search with: full text alone, vectors alone, and their naive fusion."""

from collections.abc import Callable, Sequence
from pathlib import Path

import lancedb
import numpy as np
from lancedb.index import FTS
from lancedb.query import MatchQuery

from benchmarks.search_quality.data import DEPTH, Find
from neural.retrieval.collections.documents import Document
from neural.retrieval.embedders.base import Embedder
from neural.retrieval.index.fields import texts_of

_RANKS = 60
"""Reciprocal rank fusion scores a rank as 1 / (60 + rank), Cormack et al. 2009."""


def baselines(documents: Sequence[Document], embedder: Embedder, folder: Path) -> dict[str, Find]:
    """The methods over these documents, by name."""
    lexical = remembered(_lexical(documents, folder))
    ids = [each.id for each in documents]
    whole = [[texts_of(each, ["whole"])["whole"]] for each in documents]
    short = [list(dict.fromkeys((each.title, *each.names))) for each in documents]
    dense_whole = remembered(_dense(ids, whole, embedder))
    return {
        "lexical": lexical,
        "dense short": _dense(ids, short, embedder),
        "dense whole": dense_whole,
        "naive fusion": _fused(lexical, dense_whole),
    }


def remembered(find: Find) -> Find:
    """The same method with a cache, so that each question is asked only once."""
    known: dict[str, Sequence[str]] = {}

    def finding(query: str) -> Sequence[str]:
        if query not in known:
            known[query] = find(query)
        return known[query]

    return finding


def _lexical(documents: Sequence[Document], folder: Path) -> Find:
    """LanceDB's full text search, with 2- and 3-grams of the unchanged text."""
    rows = [
        {"id": each.id, "text": "\n".join((each.title, *each.names, each.text))}
        for each in documents
    ]
    table = lancedb.connect(folder).create_table("raw", rows)
    grams = FTS(base_tokenizer="ngram", ngram_min_length=2, ngram_max_length=3)
    table.create_index("text", config=grams)

    def find(query: str) -> list[str]:
        asked = table.search(MatchQuery(query, "text"), query_type="fts")
        return asked.select(["id", "_score"]).limit(DEPTH).to_arrow()["id"].to_pylist()

    return find


def _dense(ids: Sequence[str], texts: Sequence[Sequence[str]], embedder: Embedder) -> Find:
    """Exact cosine similarity alone; the best of a record's texts counts."""
    flat = [text for own in texts for text in own]
    distinct = {text: at for at, text in enumerate(dict.fromkeys(flat))}
    vectors = embedder.embed(list(distinct))
    starts = np.cumsum([0, *(len(own) for own in texts)][:-1])
    places = np.array([distinct[text] for text in flat])

    def find(query: str) -> list[str]:
        cosines = vectors @ embedder.embed([query])[0]
        best = np.maximum.reduceat(cosines[places], starts)
        return [ids[at] for at in np.argsort(-best, kind="stable")[:DEPTH]]

    return find


def _fused(*methods: Callable[[str], Sequence[str]]) -> Find:
    def find(query: str) -> list[str]:
        scores: dict[str, float] = {}
        for method in methods:
            for rank, found in enumerate(method(query)[:DEPTH], start=1):
                scores[found] = scores.get(found, 0.0) + 1 / (_RANKS + rank)
        return sorted(scores, key=lambda each: (-scores[each], each))

    return find
