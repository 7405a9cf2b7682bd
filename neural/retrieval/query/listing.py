"""All requests that a query makes to one table of a vector store, made at the same time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from neural.retrieval.query.fusion import Candidate, candidates_of, columns_asked
from neural.retrieval.query.parsing import ParsedQuery
from neural.retrieval.stores.base import Match, Vector, VectorStore, Within

LISTED = 40
"""Rows that each list contains. Half as many were measured to find as much."""
_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table, and which of its rows may be seen."""

    store: VectorStore
    table: str
    columns: Sequence[str]
    """The vector columns of the table."""
    within: Within
    least: int = LISTED
    """At least so many rows of each list are read."""

    def candidates(
        self, parsed: ParsedQuery, embedded: Callable[[], Mapping[str, Vector]]
    ) -> tuple[list[Candidate], Mapping[str, Vector]]:
        """Records that may fit, and the query's vectors. ``embedded`` makes the vectors while the
        store looks for tokens."""
        # A new pool for each search, because a lasting one would not survive the fork of a worker.
        with ThreadPoolExecutor(_THREADS) if self.store.answers_at_once else _InTurn() as threads:
            asked = {
                column: threads.submit(self._matching, column, tokens)
                for column, tokens in _tokens(parsed).items()
            }
            vectors = embedded()
            asked |= {
                f"vector {column}": threads.submit(self._nearest, column, vectors[column])
                for column in vectors
            }
            lists = _answers(asked)
        keys = sorted({match.key for matches in lists.values() for match in matches})
        rows = self.store.rows(self.table, keys, within=self.within)
        return candidates_of(lists, rows), vectors

    def vectors_asked(self, parsed: ParsedQuery) -> list[str]:
        """The vector columns with which the query is compared."""
        return columns_asked(parsed, self.columns)

    def _matching(self, column: str, tokens: frozenset[str]) -> list[Match]:
        return self.store.matching(
            self.table,
            column=column,
            tokens=sorted(tokens),
            within=self.within,
            limit=max(LISTED, self.least),
        )

    def _nearest(self, column: str, vector: Vector) -> list[Match]:
        return self.store.nearest(
            self.table,
            column=column,
            vector=vector,
            within=self.within,
            limit=max(LISTED, self.least),
        )


class _InTurn(Executor):
    """Runs each call at once, in the caller's thread."""

    def submit(self, do: Callable[..., Any], /, *args: Any, **given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(do(*args, **given))
        return done


def _tokens(parsed: ParsedQuery) -> dict[str, frozenset[str]]:
    asked = {"names": parsed.names, "words": parsed.words, "sounds": parsed.sounds}
    return {column: tokens for column, tokens in asked.items() if tokens}


def _answers(asked: Mapping[str, Future[list[Match]]]) -> dict[str, list[Match]]:
    return {column: answer.result() for column, answer in asked.items()}
