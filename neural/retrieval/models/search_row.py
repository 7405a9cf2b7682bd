"""What the indexes know of the records, in the database itself: rows, and the vocabulary.

A ``SearchRow`` is a record in one index. Its ``words`` are its tokens: a full-text index of SQLite
(FTS5) or PostgreSQL (GIN over a ``tsvector``) finds rows by them. A row's id begins with its time,
so that the order of the full-text index is the order of time.

A ``SearchTerm`` is a token that people may type in part or wrongly: a whole name, a Latin word or a
number. It is looked up by its beginning, its end, its sound and pieces of its sound, and leads to
the rows that have it. Nobody sees a term; people see rows, within their stores.
"""

import datetime as dt
import random
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from neural.ledger.dialects import dialect_of
from neural.ledger.dialects.postgresql import PostgreSQL
from neural.retrieval.models.search_index import SearchIndex

_RANDOM_BITS = 25
_TIMELESS = 1 << 55
"""Ids of rows without a time are below this, as if they were older than 2004."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def id_at(at: dt.datetime) -> int:
    """The least id of rows of this second."""
    return max(int((at - _EPOCH).total_seconds()), 1) << _RANDOM_BITS


def new_id(at: dt.datetime | None) -> int:
    """An id for a row of this time. Ids of the same second are in no order."""
    if at is None:
        return random.randrange(1, _TIMELESS)
    return id_at(at) + random.getrandbits(_RANDOM_BITS)


def is_tsvector(connection: Any) -> bool:
    """Whether this database keeps tokens as a ``tsvector``."""
    return isinstance(dialect_of(connection), PostgreSQL)


class TokensField(models.Field):
    """Tokens without order: a ``tsvector`` in PostgreSQL, else a text. A token has neither white
    space nor quotes nor backslashes."""

    def db_type(self, connection: Any) -> str:
        return "tsvector" if is_tsvector(connection) else "text"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or isinstance(value, str):
            return value
        quote = "'{}'" if is_tsvector(connection) else "{}"
        return " ".join(quote.format(each) for each in sorted(set(value)))

    def from_db_value(self, value: Any, *_: Any) -> frozenset[str] | None:
        """The tokens."""
        return None if value is None else tokens_in(value)


def tokens_in(value: str) -> frozenset[str]:
    """The tokens in a value as the database has it: PostgreSQL quotes each."""
    return frozenset(value.replace("'", "").split())


class SearchRow(models.Model):
    """A record in one index."""

    id = models.BigIntegerField(primary_key=True)
    index = models.ForeignKey(
        SearchIndex, on_delete=models.CASCADE, db_index=False, related_name="search_rows"
    )
    key = models.CharField(max_length=300)
    store = models.CharField(max_length=64)
    kind = models.CharField(max_length=200)
    at = models.DateTimeField(null=True)
    version = models.BigIntegerField()
    title = models.TextField()
    names = models.JSONField(default=list)
    numbers = models.JSONField(default=list)
    also = models.JSONField(default=list)
    text = models.TextField()
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    words = TokensField()
    # Nullable, because SQLite adds such a column without making the table anew.
    lacks_vectors = models.BooleanField(null=True)
    """True from when a process without the index's model wrote it until one with it adds the
    vectors."""

    class Meta:
        db_table = "neural_searchrow"
        constraints = (
            models.UniqueConstraint(fields=["index", "key"], name="neural_search_row_key"),
        )
        indexes = (
            models.Index(
                fields=["index"],
                condition=models.Q(lacks_vectors=True),
                name="neural_search_row_lacking",
            ),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class SearchTerm(models.Model):
    """A token of an index that is also found by a part of it, by its sound, or written wrongly."""

    index = models.ForeignKey(SearchIndex, on_delete=models.CASCADE, db_index=False)
    token = models.CharField(max_length=320)
    backwards = models.CharField(max_length=50)
    """A number from its end; empty for other tokens."""
    sound = models.CharField(max_length=320)
    """As :func:`neural.retrieval.text.sound_of`; empty for numbers."""
    initials = models.CharField(max_length=40)
    """The first letters of the syllables of a Chinese name."""

    class Meta:
        db_table = "neural_searchterm"
        constraints = (
            models.UniqueConstraint(fields=["index", "token"], name="neural_search_term_token"),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return self.token


class SearchPiece(models.Model):
    """Three letters of the sound of a term."""

    index = models.ForeignKey(SearchIndex, on_delete=models.CASCADE, db_index=False)
    piece = models.CharField(max_length=3)
    term = models.ForeignKey(SearchTerm, on_delete=models.CASCADE, db_index=True)

    class Meta:
        db_table = "neural_searchpiece"
        indexes = (models.Index(fields=["index", "piece", "term"], name="neural_search_piece"),)
        default_permissions = ()

    def __str__(self) -> str:
        return self.piece
