"""Embeds the questions, and the orders from which further ones are mixed. It runs in a process of
its own, so that the model's memory is not counted as the store's.

``python -m benchmarks.vector_store.embedding FOLDER ORDERS QUESTIONS``
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks.vector_store import corpus
from neural.retrieval.embedders.usem3 import Usem3


def embed(folder: Path, orders: int, questions: int) -> None:
    """Write ``orders.npy`` and ``questions.npy``."""
    embedder = Usem3()
    np.save(folder / "orders.npy", embedder.embed([corpus.text(n) for n in range(orders)]))
    np.save(folder / "questions.npy", embedder.embed(corpus.questions(questions)))


if __name__ == "__main__":
    embed(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
