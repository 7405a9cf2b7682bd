"""Which indexes a table has, and when."""

from typing import Any

from neural.retrieval.stores.base import Shape
from neural.retrieval.stores.lance.rows import token_column


def make_first(table: Any, shape: Shape) -> None:
    """The indexes that an empty table gets: on keys, on what filters ask for, and on tokens.

    Made once and kept from then on, so that a table of which only some were made (its maker was
    killed) is completed by whoever makes it again.
    """
    there = indexed_columns(table)
    for column, config in _first(shape).items():
        if column not in there:
            table.create_index(column, config=config, replace=False)


def indexed_columns(table: Any) -> set[str]:
    """The columns that have an index."""
    return {column for index in table.list_indices() for column in index.columns}


def _first(shape: Shape) -> dict[str, Any]:
    from lancedb.index import FTS, Bitmap, BTree

    return {
        "key": BTree(),
        "store": Bitmap(),
        "kind": Bitmap(),
        "at": BTree(),
        **{token_column(name): _tokens(FTS) for name in shape.tokens},
    }


def _tokens(config: Any) -> Any:
    """Tokens are ours: kept as they are, of any length."""
    return config(
        base_tokenizer="whitespace",
        with_position=False,
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )
