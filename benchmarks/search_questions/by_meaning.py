"""The questions by meaning over the chain's dishes, asked of search and of simpler methods."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import neural
from benchmarks.search_quality.baselines import baselines
from benchmarks.search_quality.data import DEPTH, TOP, Asked, Find, scores, summary
from benchmarks.search_quality.hybrid import dish
from benchmarks.search_questions.asking import Question
from neural.restaurant.models import Dish
from neural.retrieval.choosing import embedder

DISHES = "dishes"
_GAIN, _SMALL_GAIN = 2, 1
"""Of a dish that is right, and of one that is close (graded relevance, as in TREC)."""


def by_meaning(questions: Sequence[Question]) -> dict[str, Any]:
    """Recall of the first ten and MRR over the dishes that are right, and nDCG of the first ten
    over those and the close ones; of each method, by language."""
    methods = {**baselines(_documents(), embedder()), "search": _search}
    languages = dict.fromkeys(each.kind for each in questions)
    return {
        language: {
            name: _figures(find, [each for each in questions if each.kind == language])
            for name, find in methods.items()
        }
        for language in languages
    }


def _documents() -> list[neural.Document]:
    """Each dish once, however many stores sell it."""
    rows = {each.code: each for each in Dish.objects.order_by("-store")}
    return [
        dish({**each.details, "id": code, "title": each.name, "category": each.category})
        for code, each in rows.items()
    ]


def _search(query: str) -> list[str]:
    hits = neural.search(query, DISHES, top_k=DEPTH)
    return list(dict.fromkeys(hit.id for hit in hits))


def _figures(find: Find, questions: Sequence[Question]) -> dict[str, Any]:
    asked = [Asked(each.query, frozenset(each.right)) for each in questions]
    gains = [_ndcg(find(each.query), each) for each in questions]
    return {**summary(scores(find, asked)), "ndcg": round(float(np.mean(gains)), 4)}


def _ndcg(found: Sequence[str], question: Question) -> float:
    """Normalised discounted cumulative gain of the first ten (Järvelin and Kekäläinen 2002)."""
    gain = dict.fromkeys(question.close, _SMALL_GAIN) | dict.fromkeys(question.right, _GAIN)
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    got = [gain.get(each, 0) for each in found[:TOP]]
    best = sorted(gain.values(), reverse=True)[:TOP]
    return float(np.dot(got, discounts[: len(got)]) / np.dot(best, discounts[: len(best)]))
