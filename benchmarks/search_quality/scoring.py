"""Computes recall and reciprocal rank, each with a bootstrap interval."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.search_quality.data import Asked

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
