"""Methods to compare search with: full text alone, vectors alone, and their naive fusion.

With the package jieba also BM25 over its Chinese words, alone and in naive fusion with vectors.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from benchmarks.search_quality.data import DEPTH, Find
from neural.retrieval.collections.documents import Document
from neural.retrieval.embedders.base import Embedder

_RANKS = 60
"""Reciprocal rank fusion scores a rank as 1 / (60 + rank), Cormack et al. 2009."""


def baselines(documents: Sequence[Document], embedder: Embedder) -> dict[str, Find]:
    """The methods over these documents, by name."""
    lexical = remembered(_lexical(documents))
    ids = [each.id for each in documents]
    whole = [["，".join(filter(None, _texts(each)))] for each in documents]
    short = [list(dict.fromkeys((each.title, *each.names))) for each in documents]
    dense_whole = remembered(_dense(ids, whole, embedder))
    methods = {
        "lexical": lexical,
        "dense short": _dense(ids, short, embedder),
        "dense whole": dense_whole,
        "naive fusion": _fused(lexical, dense_whole),
    }
    if find_spec("jieba"):
        words = remembered(
            _bm25(ids, [each for (each,) in whole], import_module("jieba").cut_for_search)
        )
        methods |= {"jieba bm25": words, "jieba fusion": _fused(words, dense_whole)}
    return methods


def _texts(document: Document) -> Sequence[str]:
    """All that a document says; its first sentence, which the text repeats, weighs more so."""
    return (document.title, *document.names, document.lead, document.text)


def remembered(find: Find) -> Find:
    """The same method with a cache, so that each question is asked only once."""
    known: dict[str, Sequence[str]] = {}

    def finding(query: str) -> Sequence[str]:
        if query not in known:
            known[query] = find(query)
        return known[query]

    return finding


def _lexical(documents: Sequence[Document]) -> Find:
    """BM25 of 2- and 3-grams of the unchanged text."""
    texts = ["\n".join((each.title, *each.names, each.text)) for each in documents]
    return _bm25([each.id for each in documents], texts, _grams)


def _grams(text: str) -> list[str]:
    return [text[at : at + size] for size in (2, 3) for at in range(len(text) - size + 1)]


_K1, _B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009)."""


def _bm25(ids: Sequence[str], texts: Sequence[str], cut: Callable[[str], Iterable[str]]) -> Find:
    """BM25 over the words into which the texts are cut."""
    counts = [Counter(word.lower() for word in cut(text) if word.strip()) for text in texts]
    usual = sum(map(Counter.total, counts)) / len(counts)
    holding: dict[str, list[int]] = defaultdict(list)
    for place, words in enumerate(counts):
        for word in words:
            holding[word].append(place)

    def find(query: str) -> list[str]:
        scores: dict[int, float] = defaultdict(float)
        for word in sorted({each.lower() for each in cut(query)}):
            places = holding.get(word, ())
            rarity = math.log(1 + (len(ids) - len(places) + 0.5) / (len(places) + 0.5))
            for place in places:
                often, length = counts[place][word], counts[place].total() / usual
                scores[place] += rarity * often * (_K1 + 1) / (often + _K1 * (1 - _B + _B * length))
        return [ids[at] for at in sorted(scores, key=lambda at: (-scores[at], at))[:DEPTH]]

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
