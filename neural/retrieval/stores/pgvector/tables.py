"""Tables of the pgvector store: their names, columns and statements, and filters of rows.

Rows are in a table ``neural_vectors_…``. A second table ``neural_words_…`` keeps in how many rows
each token is. The comment of the table of rows has its shape and full name, because PostgreSQL cuts
names at 63 bytes.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from neural.retrieval.stores.base import Shape, TableRefused, Within

ROWS, _WORDS = "neural_vectors_", "neural_words_"
FEW_ROWS = 5_000
"""Up to so many rows, reading each one is faster than an index that also has other rows."""
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")
_COUNTS = (
    "field text NOT NULL, hash bigint NOT NULL, rows bigint NOT NULL, PRIMARY KEY (field, hash)"
)
_LONGEST = 40  # leaves room for the names of indexes


def rows_table(table: str) -> str:
    """The quoted name of the table of rows."""
    return f'"{ROWS}{_stem(table)}"'


def words_table(table: str) -> str:
    """The quoted name of the table of token counts."""
    return f'"{_WORDS}{_stem(table)}"'


def index_name(table: str, column: str) -> str:
    """The quoted name of the index of a vector column."""
    digest = hashlib.sha256(column.encode()).hexdigest()[:8]
    return f'"neural_near_{_stem(table)}_{digest}"'


def hashes_column(name: str) -> str:
    """The column with the hashes of a row's tokens."""
    return f'"hashes_{_checked(name)}"'


def weights_column(name: str) -> str:
    """The column with the weights of a row's tokens, which depend on their repetitions."""
    return f'"weights_{_checked(name)}"'


def vector_column(name: str) -> str:
    """The column of a vector."""
    return f'"vector_{_checked(name)}"'


def comment(table: str, shape: Shape) -> str:
    """The comment of a table: its name and shape as JSON."""
    return json.dumps({"table": table, **asdict(shape)})


def name_in(text: str) -> str:
    """The table's name from its comment."""
    return str(json.loads(text)["table"])


def shape_in(text: str) -> Shape:
    """The table's shape from its comment."""
    facts = json.loads(text)
    return Shape(
        tokens=tuple(facts["tokens"]),
        vectors=tuple(facts["vectors"]),
        dimensions=facts["dimensions"],
    )


def creation(table: str, shape: Shape) -> list[str]:
    """The statements that make a table. The comment is written as a literal, because COMMENT cannot
    bind values."""
    rows, words = rows_table(table), words_table(table)
    literal = comment(table, shape).replace("'", "''")
    return [
        f"CREATE TABLE {rows} ({', '.join(_columns(shape))})",
        # Tokens stay in the row, because scoring reads thousands of them. Vectors are read by the
        # hundred and do not shrink, so they are kept outside of the row and not compressed.
        *(f"ALTER TABLE {rows} ALTER {each} SET STORAGE MAIN" for each in _token_columns(shape)),
        f"CREATE INDEX ON {rows} (store, at)",
        f"CREATE INDEX ON {rows} (kind, at)",
        # With fastupdate, a query would also read a list of rows that are not indexed yet.
        *(
            f"CREATE INDEX ON {rows} USING gin ({hashes_column(each)}) WITH (fastupdate = off)"
            for each in shape.tokens
        ),
        f"CREATE TABLE {words} ({_COUNTS})",
        f"COMMENT ON TABLE {rows} IS '{literal}'",
    ]


def _columns(shape: Shape) -> list[str]:
    return [
        'key text COLLATE "C" PRIMARY KEY',
        'store text COLLATE "C" NOT NULL',
        'kind text COLLATE "C" NOT NULL',
        "at timestamptz",
        "version bigint NOT NULL",
        "title text NOT NULL",
        "names text[] NOT NULL",
        "text text NOT NULL",
        *(f"{hashes_column(each)} bigint[]" for each in shape.tokens),
        *(f"{weights_column(each)} sparsevec" for each in shape.tokens),
        *(f"{vector_column(each)} vector({int(shape.dimensions)})" for each in shape.vectors),
    ]


def _token_columns(shape: Shape) -> list[str]:
    return [of(each) for each in shape.tokens for of in (hashes_column, weights_column)]


def _stem(table: str) -> str:
    """The table's name as part of an identifier. A name that is too long or has other characters is
    changed and gets a digest."""
    plain = re.sub(r"[^a-z0-9_]", "_", table)
    if plain == table and len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 13]}_{hashlib.sha256(table.encode()).hexdigest()[:12]}"


def _checked(name: str) -> str:
    if not _COLUMN.match(name):
        raise TableRefused(
            f"a column of the pgvector store cannot be called {name!r}: lower case letters, "
            "digits and _, at most 41"
        )
    return name


@dataclass(frozen=True)
class Filter:
    """An SQL condition on rows and the values that it binds."""

    sql: str
    values: tuple[Any, ...]


def filter_of(within: Within) -> Filter:
    """The filter for ``within``; ``true`` if nothing is limited."""
    parts: list[tuple[str, Any]] = []
    if within.stores is not None:
        parts.append(("store = ANY(%s::text[])", sorted(within.stores)))
    if within.kinds is not None:
        parts.append(("kind = ANY(%s::text[])", sorted(within.kinds)))
    if within.since is not None:
        parts.append(("at >= %s::timestamptz", within.since))
    if within.until is not None:
        parts.append(("at < %s::timestamptz", within.until))
    condition = " AND ".join(sql for sql, _ in parts) or "true"
    return Filter(condition, tuple(value for _, value in parts))


def lets_few_through(cursor: CursorWrapper, table: str, only: Filter) -> bool:
    """Whether fewer than ``FEW_ROWS`` rows pass the filter. False without a query if it limits
    nothing."""
    if not only.values:
        return False
    cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {rows_table(table)} WHERE {only.sql} LIMIT %s) AS seen",
        [*only.values, FEW_ROWS],
    )
    return bool(cursor.fetchone()[0] < FEW_ROWS)
