"""Reads each row of a growing table once, in the order of their keys, by whichever relay comes.

On PostgreSQL a row may commit after rows with greater keys. So the greatest key is noted as the
candidate. A moment later a transaction takes a number, which is greater than the numbers of all
transactions that had drawn keys up to the candidate. Once every transaction with a smaller number
has ended, the keys up to the candidate are read. A long transaction that writes delays the reading,
and nothing is left out. SQLite has one writer at a time, and needs no such wait.

Rows that are inserted with keys of their own, as by ``loaddata``, are read only if these are
greater than the keys read before.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Model

from neural.ledger import dialects
from neural.monitoring.models import ReadMark

MOST_KEYS = 20_000
"""The most keys of one span: the transaction that reads them stays short."""
PAUSE = dt.timedelta(seconds=1)
"""How long after the choice of a candidate a number is taken. A key is drawn some microseconds
before its transaction gets a number."""


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
    committed before the previous call (on SQLite before this one), unless a transaction that is
    older than them is still open. Rows that existed before the first call are not read.
    """
    with transaction.atomic(using=dialects.ledger_connection().alias):
        mark = _locked(name, model)
        span = _next(mark, model, most) if mark else None
        yield span
        if mark and span:
            _note(mark, model, span)


def readable(name: str, model: type[Model], *, most: int) -> Span | None:
    """The keys that :func:`reading_on` would give, without reading them; None if there are none
    yet, or another relay is reading."""
    with transaction.atomic(using=dialects.ledger_connection().alias):
        mark = _locked(name, model)
        return _next(mark, model, most) if mark else None


def _locked(name: str, model: type[Model]) -> ReadMark | None:
    mark = ReadMark.objects.select_for_update(skip_locked=True).filter(pk=name).first()
    if mark is None:
        start, now = _greatest(model)
        first = {"last_id": start, "candidate_id": start, "candidate_at": now, "read_at": now}
        ReadMark.objects.get_or_create(name=name, defaults=first)
    return mark


def _next(mark: ReadMark, model: type[Model], most: int) -> Span | None:
    if mark.last_id >= mark.candidate_id:
        _choose(mark, model)
    if not _is_readable(mark):
        return None
    up_to = min(mark.candidate_id, mark.last_id + most)
    return Span(mark.last_id, up_to) if up_to > mark.last_id else None


def _choose(mark: ReadMark, model: type[Model]) -> None:
    """Choose the next candidate, after the last one has been read in full."""
    greatest, now = _greatest(model)
    mark.candidate_id, mark.candidate_at, mark.horizon = max(greatest, mark.last_id), now, None
    if mark.candidate_id == mark.last_id:
        mark.read_at = now
    mark.save(update_fields=["candidate_id", "candidate_at", "horizon", "read_at"])


def _is_readable(mark: ReadMark) -> bool:
    """Whether no row with a key up to the candidate can still commit."""
    with dialects.ledger_connection().cursor() as cursor:
        oldest, own = dialects.ledger_dialect().transactions(cursor)
    if oldest is None or own is None:
        return True
    if mark.horizon is None or mark.horizon > own:  # that of another server, from a restored dump
        mark.horizon = own if _has_paused(mark) else None
        mark.save(update_fields=["horizon", "candidate_at"])
    return mark.horizon is not None and oldest >= mark.horizon


def _has_paused(mark: ReadMark) -> bool:
    now = _now()
    if mark.candidate_at is None or mark.candidate_at > now:  # the clock has been set back
        mark.candidate_at = now
    return now - mark.candidate_at >= PAUSE


def _note(mark: ReadMark, model: type[Model], span: Span) -> None:
    mark.last_id = span.up_to
    if mark.last_id == mark.candidate_id:
        mark.read_at = mark.candidate_at
    mark.save(update_fields=["last_id", "read_at"])
    if mark.last_id == mark.candidate_id and mark.horizon is not None:
        _choose(mark, model)  # now, so that the next call can read up to it


def _greatest(model: type[Model]) -> tuple[int, dt.datetime]:
    """The greatest key (0 in an empty table), and the database's time before it was read."""
    now = _now()
    return model._default_manager.aggregate(greatest=Max("pk"))["greatest"] or 0, now


def _now() -> dt.datetime:
    """The database's time."""
    dialect, connection = dialects.ledger_dialect(), dialects.ledger_connection()
    return dt.datetime.fromtimestamp(dialect.microseconds(connection) / 1e6, tz=dt.UTC)
