"""Rows by tokens, ranked by BM25, in SQL that uses a GIN index.

PostgreSQL has no BM25. Each row keeps the weights of its tokens as a sparse vector. The inner
product of this vector with the rarities of the query's tokens, times a factor for the row's length,
is BM25 (Robertson and Zaragoza 2009, *The Probabilistic Relevance Framework*); it is exact where no
token of the row is repeated.

Only rows that have one of the rarer tokens are scored. Frequent tokens affect the order, but they
add rows only if the rarer ones find too few.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Match
from neural.retrieval.stores.pgvector import connection
from neural.retrieval.stores.pgvector.tables import (
    Filter,
    hashes_column,
    lets_few_through,
    rows_table,
    weights_column,
    words_table,
)

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k1 and b of BM25, with their usual values."""
CANDIDATES = 4_000
"""Tokens are taken, the rarest first, as long as no more than so many rows have them."""
MOST_CANDIDATES = 20_000
"""At most so many rows are scored. If more match, it is chance which are."""
COUNTED_ROWS = 5_000
"""In a table of up to so many rows, a query counts the rows of its tokens itself. In a larger one
it reads the counts of :func:`keep_counts`."""

ROWS_COUNTED, TOKENS_COUNTED = -1, -2
"""Hashes are never negative, so the counts keep the number of all rows and of all tokens under
these."""


@dataclass(frozen=True)
class Rarity:
    """How frequent the tokens of a query are in a table."""

    rows: int
    mean_length: float
    rows_with: Mapping[int, int]
    """The number of rows by hash. Tokens that no counted row has are left out."""

    def weight(self, token: int) -> float:
        """Inverse document frequency, positive even for a token that every row has."""
        held = min(self.rows_with.get(token, 1), self.rows)
        return math.log(1 + (self.rows - held + 0.5) / (held + 0.5))

    def from_the_rarest(self, tokens: Sequence[int], *, limit: int) -> list[int]:
        """The rarest tokens: enough to reach ``limit`` rows, and more while few enough rows have
        them."""
        chosen: list[int] = []
        held = 0
        for token in sorted(tokens, key=lambda each: self.rows_with.get(each, 0)):
            held_with_it = held + self.rows_with.get(token, 0)
            if held >= limit and held_with_it > CANDIDATES:
                break
            chosen.append(token)
            held = held_with_it
        return chosen


def matching(
    cursor: CursorWrapper,
    *,
    table: str,
    column: str,
    tokens: Sequence[int],
    only: Filter,
    limit: int,
) -> list[Match]:
    """At most ``limit`` rows that have any of these hashes, best first."""
    # The planner overestimates how frequent most tokens are and would read the whole table. JIT
    # compilation takes longer than any of these queries.
    cursor.execute(
        "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
    )
    rarity = _stored_rarity(cursor, table, column, tokens) or _counted_rarity(
        cursor, table, column, tokens
    )
    asked = connection.weights({token: rarity.weight(token) for token in tokens})
    found: list[Match] = []
    few = lets_few_through(cursor, table, only)
    for chosen in [tokens] if few else _widening(rarity, tokens, limit):
        cursor.execute(
            _scoring(table, column, only),
            [
                asked,
                SATURATION + 1,
                SATURATION * (1 - LENGTH_SHARE),
                SATURATION * LENGTH_SHARE / rarity.mean_length,
                connection.bigints(chosen),
                *only.values,
                MOST_CANDIDATES,
                limit,
            ],
        )
        found = [Match(key, score) for key, score in cursor.fetchall()]
        if len(found) >= limit:
            break
    return found


def repeated(occurrences: Mapping[int, int]) -> dict[int, float]:
    """The weight of each token by how often it occurs, in a row of mean length: 1 for one
    occurrence."""
    return {
        token: times * (SATURATION + 1) / (times + SATURATION)
        for token, times in occurrences.items()
    }


def _widening(rarity: Rarity, tokens: Sequence[int], limit: int) -> Iterator[Sequence[int]]:
    chosen = rarity.from_the_rarest(tokens, limit=limit)
    yield chosen
    if len(chosen) < len(tokens):
        yield tokens


def _scoring(table: str, column: str, only: Filter) -> str:
    hashes, weights = hashes_column(column), weights_column(column)
    return f"""
        SELECT key, -(weights <#> %s::sparsevec) * %s::float8
               / (1 + %s::float8 + %s::float8 * length) AS score
        FROM (SELECT key, {weights} AS weights, cardinality({hashes}) AS length
              FROM {rows_table(table)} WHERE {hashes} && %s::bigint[] AND {only.sql}
              LIMIT %s::bigint) AS held
        ORDER BY score DESC, key LIMIT %s::bigint"""


def _stored_rarity(
    cursor: CursorWrapper, table: str, column: str, tokens: Sequence[int]
) -> Rarity | None:
    """The rarity from the stored counts; None if the table was small when they were made."""
    cursor.execute(
        f"SELECT hash, rows FROM {words_table(table)}"
        " WHERE field = %s AND hash = ANY(%s::bigint[])",
        [column, connection.bigints([*tokens, ROWS_COUNTED, TOKENS_COUNTED])],
    )
    counted = dict(cursor.fetchall())
    rows, length = counted.pop(ROWS_COUNTED, 0), counted.pop(TOKENS_COUNTED, 0)
    if rows < COUNTED_ROWS:
        return None
    return Rarity(rows=rows, mean_length=max(length / rows, 1), rows_with=counted)


def _counted_rarity(
    cursor: CursorWrapper, table: str, column: str, tokens: Sequence[int]
) -> Rarity:
    rows, hashes = rows_table(table), hashes_column(column)
    cursor.execute(f"SELECT count(*), avg(cardinality({hashes}))::float8 FROM {rows}")
    total, length = cursor.fetchone()
    cursor.execute(
        f"SELECT asked, held FROM unnest(%s::bigint[]) AS asked, LATERAL"
        f" (SELECT count(*) FROM {rows} WHERE {hashes} @> ARRAY[asked]) AS counted(held)"
        " WHERE held > 0",
        [connection.bigints(tokens)],
    )
    return Rarity(rows=total, mean_length=max(length or 1, 1), rows_with=dict(cursor.fetchall()))


def keep_counts(cursor: CursorWrapper, table: str, column: str, *, rows: int, share: float) -> None:
    """Count in how many rows each token of a column is, and store the counts. Tokens of a single
    row, which are most, are left out. With ``share`` below 1, a sample is counted and scaled."""
    hashes, counts = hashes_column(column), words_table(table)
    sampled = f"{rows_table(table)} TABLESAMPLE BERNOULLI (%s::real)"
    scaled = "(count(*) / %s::float8)::bigint"
    cursor.execute(
        f"INSERT INTO {counts} (field, hash, rows) SELECT %s, token, {scaled}"
        f" FROM {sampled}, unnest({hashes}) AS token GROUP BY token HAVING count(*) > 1",
        [column, share, 100 * share],
    )
    cursor.execute(
        f"INSERT INTO {counts} (field, hash, rows) VALUES (%s, %s, %s)"
        f", (%s, %s, (SELECT coalesce(sum(cardinality({hashes})), 0) FROM {rows_table(table)}))",
        [column, ROWS_COUNTED, rows, column, TOKENS_COUNTED],
    )
