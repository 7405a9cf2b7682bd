"""Reads each row of a growing table once, in the order of their keys, by whichever relay comes.

On PostgreSQL a row may commit after rows with greater keys. So the greatest key is noted as the
candidate, and then the transactions that are inserting into the table at that moment: each has held
its lock on the table since before it drew a key. Once they have ended, no row with a key up to the
candidate can still commit, and these keys are read. A long transaction that inserts into the table
delays the reading, and nothing is left out. SQLite has one writer at a time, and needs no such
wait.

Rows that are inserted with keys of their own, as by ``loaddata``, are read only if these are
greater than the keys read before.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Min, Model

from neural.ledger import dialects
from neural.monitoring.models import ReadMark

MOST_KEYS = 20_000
"""The most keys of one span, from its first row on: its transaction stays short."""


@dataclass(frozen=True)
class Span:
    """The keys in (after, up_to]."""

    after: int
    up_to: int


@contextmanager
def reading_on(name: str, model: type[Model], *, most: int = MOST_KEYS) -> Iterator[Span | None]:
    """A transaction with the next keys of ``model`` to read under this name; they count as read
    when the block ends without an error.

    None if there are none yet, or another relay is reading. A call finds the rows that had
    committed before it, unless a transaction that was inserting then is still open. The first one
    begins with the oldest row.
    """
    _advance(name, model)
    with _transaction():
        mark = _locked(name)
        span = _next(mark, model, most) if mark else None
        yield span
        if mark and span:
            _note(mark, span)


def _advance(name: str, model: type[Model]) -> None:
    """Choose a candidate if the last one has been read, and see which of its writers go on.

    A transaction of its own: what reads the rows must begin after the writers have been seen to
    end, also where transactions see the database as it was when they began (REPEATABLE READ).
    """
    with _transaction():
        mark = _locked(name)
        if mark is None:
            ReadMark.objects.get_or_create(name=name)
            mark = _locked(name)
        if mark is None:
            return  # another relay is reading
        if mark.last_id >= mark.candidate_id:
            _choose(mark, model)
        elif mark.writers:
            mark.writers = sorted(_writers(model) & set(mark.writers))
            mark.save(update_fields=["writers"])


def _locked(name: str) -> ReadMark | None:
    return ReadMark.objects.select_for_update(skip_locked=True).filter(pk=name).first()


def _next(mark: ReadMark, model: type[Model], most: int) -> Span | None:
    if mark.last_id >= mark.candidate_id or mark.writers:
        return None
    # From the next row on: where rows were deleted, there may be millions of keys without one.
    keys = model._default_manager.filter(pk__gt=mark.last_id, pk__lte=mark.candidate_id)
    first = keys.aggregate(first=Min("pk"))["first"] or mark.candidate_id
    return Span(mark.last_id, min(mark.candidate_id, first - 1 + most))


def _choose(mark: ReadMark, model: type[Model]) -> None:
    greatest, mark.candidate_at = _greatest(model)
    mark.candidate_id = max(greatest, mark.last_id)
    if mark.candidate_id == mark.last_id:
        mark.read_at = mark.candidate_at
    else:  # in this order: who draws a key up to the candidate later has begun by now
        mark.writers = sorted(_writers(model))
    mark.save(update_fields=["candidate_id", "candidate_at", "writers", "read_at"])


def _writers(model: type[Model]) -> set[str]:
    with dialects.ledger_connection().cursor() as cursor:
        return dialects.ledger_dialect().writers(cursor, model._meta.db_table)


def _note(mark: ReadMark, span: Span) -> None:
    mark.last_id = span.up_to
    if mark.last_id == mark.candidate_id:
        mark.read_at = mark.candidate_at
    mark.save(update_fields=["last_id", "read_at"])


def _transaction() -> transaction.Atomic:
    return transaction.atomic(using=dialects.ledger_connection().alias)


def _greatest(model: type[Model]) -> tuple[int, dt.datetime]:
    """The greatest key (0 in an empty table), and the database's time before it was read."""
    now = _now()
    return model._default_manager.aggregate(greatest=Max("pk"))["greatest"] or 0, now


def _now() -> dt.datetime:
    """The database's time."""
    dialect, connection = dialects.ledger_dialect(), dialects.ledger_connection()
    return dt.datetime.fromtimestamp(dialect.microseconds(connection) / 1e6, tz=dt.UTC)
