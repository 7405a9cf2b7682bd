"""Records and labelled questions: shared data, and our own queries.

The shared data are dishes_zh.jsonl (HowToCook, public domain), restaurants_zh.jsonl and
restaurant_queries_zh.jsonl (CrossWOZ, Apache-2.0). The labelled queries over the dishes, in
``queries/``, are our own.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import data_file

QUERIES = Path(__file__).parent / "queries"
_BRACKETS = re.compile(r"[（(].*?[)）]")


class Asked(NamedTuple):
    """A question, with the ids of the records that a person would accept."""

    query: str
    relevant: frozenset[str]


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON lines file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def asked(path: Path) -> list[Asked]:
    """Labelled questions: lines with ``query`` and ``relevant``, a list of ids."""
    return [Asked(each["query"], frozenset(map(str, each["relevant"]))) for each in lines(path)]


def dishes() -> list[dict[str, Any]]:
    """Recipes with id, title, category, description and ingredients."""
    return lines(data_file("dishes_zh.jsonl"))


def restaurants() -> list[dict[str, Any]]:
    """Restaurants; the name is the id."""
    found = lines(data_file("restaurants_zh.jsonl"))
    return [{**each, "id": each["name"]} for each in found]


def requests() -> list[Asked]:
    """What people asked for, with the restaurants on their lists."""
    return asked(data_file("restaurant_queries_zh.jsonl"))


def labelled(language: str) -> list[Asked]:
    """Our queries over the dishes: ``en``, or ``zh``, which shares no character with the titles."""
    return asked(QUERIES / f"dishes_{language}.jsonl")


def own_names(records: list[dict[str, Any]]) -> list[Asked]:
    """Each restaurant, asked for by its own name."""
    return [Asked(each["name"], frozenset({each["name"]})) for each in records]


def names_without_branch(records: list[dict[str, Any]]) -> list[Asked]:
    """Restaurants, asked for without the branch in brackets, as people do; any branch is right."""
    branches: dict[str, set[str]] = {}
    for each in records:
        branches.setdefault(_BRACKETS.sub("", each["name"]).strip(), set()).add(each["name"])
    return [
        Asked(name, frozenset(found))
        for name, found in branches.items()
        if name and found != {name}
    ]


# Recall and reciprocal rank, each with a bootstrap interval


TOP = 10
DEPTH = 100
"""The deepest rank that counts for a reciprocal rank; search returns no more."""
_RESAMPLES = 2_000

Find = Callable[[str], Sequence[str]]
"""A method: returns ids for a question, best first."""


def scores(find: Find, questions: Sequence[Asked]) -> np.ndarray:
    """Recall@10 (of the ten at most that are relevant) and reciprocal rank of each question."""
    return np.array([_score(find(each.query), each.relevant) for each in questions])


def _score(found: Sequence[str], relevant: frozenset[str]) -> tuple[float, float]:
    right = [each in relevant for each in found]
    recall = sum(right[:TOP]) / min(TOP, len(relevant))
    return recall, 1 / (1 + right.index(True)) if True in right else 0.0


def summary(scored: np.ndarray) -> dict[str, object]:
    """Means with 95 % bootstrap intervals over questions."""
    recall, rank = scored.mean(axis=0)
    low, high = np.percentile(_resampled(scored), [2.5, 97.5], axis=0)
    return {
        "questions": len(scored),
        "recall": round(float(recall), 4),
        "recall_interval": [round(float(low[0]), 4), round(float(high[0]), 4)],
        "mrr": round(float(rank), 4),
        "mrr_interval": [round(float(low[1]), 4), round(float(high[1]), 4)],
    }


def _resampled(scored: np.ndarray) -> np.ndarray:
    dice = np.random.default_rng(0)
    chosen = dice.integers(0, len(scored), size=(_RESAMPLES, len(scored)))
    return scored[chosen].mean(axis=1)
