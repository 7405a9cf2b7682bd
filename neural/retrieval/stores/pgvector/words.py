"""Rows by tokens, ranked by BM25, in SQL that PostgreSQL answers from a GIN index.

PostgreSQL has no BM25. What a row's repetitions are worth is kept as a sparse vector; its inner
product with the rarities of what is asked, times a factor of the row's length, is BM25 (Robertson
and Zaragoza 2009, *The Probabilistic Relevance Framework*), exactly so where no token of the row
is repeated. Only rows are scored that hold one of the rarer tokens: frequent ones decide the
order, not who is considered, unless the rarer ones yield too few rows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Match
from neural.retrieval.stores.pgvector import wire
from neural.retrieval.stores.pgvector.tables import (
    Filter,
    hashes_column,
    lets_few_through,
    rows_table,
    weights_column,
    words_table,
)

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k1 and b of BM25, their usual values."""
CANDIDATES = 4_000
"""Tokens are taken from the rarest on while so many rows hold them."""
MOST_CANDIDATES = 20_000
"""More rows than these are never scored; beyond, it is chance which ones are."""
COUNTED_ROWS = 5_000
"""Up to so many rows a query counts its tokens' rows itself; of a larger table it reads what
:func:`count_words` counted."""

ROWS_COUNTED, TOKENS_COUNTED = -1, -2
"""Hashes are not negative: under these, the counts keep a table's rows and their tokens."""


@dataclass(frozen=True)
class Rarity:
    """How frequent the tokens of a query are in a table."""

    rows: int
    mean_length: float
    rows_with: Mapping[int, int]
    """By hash; those that no counted row holds are left out."""

    def weight(self, token: int) -> float:
        """Inverse document frequency, positive for a token of every row too."""
        held = min(self.rows_with.get(token, 1), self.rows)
        return math.log(1 + (self.rows - held + 0.5) / (held + 0.5))

    def from_the_rarest(self, tokens: Sequence[int], *, limit: int) -> list[int]:
        """The rarest tokens: as many as it takes to reach the limit, and more while few enough
        rows hold them."""
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
    """Rows that hold any of these hashes, best first."""
    # The planner takes a token for far more frequent than most are, and would read the table; and
    # compiling a query takes longer than any of these runs.
    cursor.execute(
        "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
    )
    rarity = _kept_rarity(cursor, table, column, tokens) or _counted_rarity(
        cursor, table, column, tokens
    )
    asked = wire.weights({token: rarity.weight(token) for token in tokens})
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
                wire.bigints(chosen),
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
    """What so many occurrences of a token are worth in a row of mean length: 1 for one."""
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


def _kept_rarity(
    cursor: CursorWrapper, table: str, column: str, tokens: Sequence[int]
) -> Rarity | None:
    """From the counts that were kept, if the table was large when they were made."""
    cursor.execute(
        f"SELECT hash, rows FROM {words_table(table)}"
        " WHERE field = %s AND hash = ANY(%s::bigint[])",
        [column, wire.bigints([*tokens, ROWS_COUNTED, TOKENS_COUNTED])],
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
        [wire.bigints(tokens)],
    )
    return Rarity(rows=total, mean_length=max(length or 1, 1), rows_with=dict(cursor.fetchall()))


def keep_counts(cursor: CursorWrapper, table: str, column: str, *, rows: int, share: float) -> None:
    """Count in how many rows each token of a column is, and keep that of those in more than one:
    the others are most of all tokens. Of a share of the rows, the counts are scaled."""
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
