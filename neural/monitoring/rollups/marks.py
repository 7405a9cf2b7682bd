"""Reads each row of a growing table once, in the order of their keys, by whichever relay comes.

On PostgreSQL a row may commit after rows with greater keys. So the greatest key is noted together
with the next transaction's number, and keys up to it are read once every transaction with a smaller
number has ended. SQLite has one writer at a time, and needs no such wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Model

from neural.ledger import dialects
from neural.monitoring.models import ReadMark

MOST_KEYS = 20_000
"""The most keys of one span: the transaction that reads them stays short."""


@dataclass(frozen=True)
class Span:
    """The keys in (after, up_to]."""

    after: int
    up_to: int


@contextmanager
def reading_on(name: str, model: type[Model], *, most: int = MOST_KEYS) -> Iterator[Span | None]:
    """A transaction with the next keys of ``model`` to read under this name; they count as read
    when the block ends without an error.

    None if there are none yet, or another relay is reading. Rows that existed before the first call
    are not read.
    """
    with transaction.atomic(using=dialects.ledger_connection().alias):
        mark = _locked(name, model)
        span = _next(mark, model, most) if mark else None
        yield span
        if mark and span:
            mark.last_id = span.up_to
            mark.save(update_fields=["last_id"])


def _locked(name: str, model: type[Model]) -> ReadMark | None:
    mark = ReadMark.objects.select_for_update(skip_locked=True).filter(pk=name).first()
    if mark is None:
        start = _greatest(model)
        ReadMark.objects.get_or_create(
            name=name, defaults={"last_id": start, "candidate_id": start}
        )
    return mark


def _next(mark: ReadMark, model: type[Model], most: int) -> Span | None:
    _move_candidate(mark, model)
    safe = mark.candidate_id if mark.horizon is None else mark.last_id
    up_to = min(safe, mark.last_id + most)
    return Span(mark.last_id, up_to) if up_to > mark.last_id else None


def _move_candidate(mark: ReadMark, model: type[Model]) -> None:
    """Judge the candidate, and choose the next one when the last was read in full.

    ``horizon`` is None once the keys up to ``candidate_id`` may be read.
    """
    before = (mark.candidate_id, mark.horizon)
    if mark.horizon is None and mark.last_id >= mark.candidate_id:
        mark.candidate_id = max(_greatest(model), mark.last_id)
        # In a later statement: a key is drawn a moment before its transaction gets a number.
        mark.horizon = _transactions()[1]
    if mark.horizon is not None and (_transactions()[0] or 0) >= mark.horizon:
        mark.horizon = None
    if (mark.candidate_id, mark.horizon) != before:
        mark.save(update_fields=["candidate_id", "horizon"])


def _greatest(model: type[Model]) -> int:
    return model._default_manager.aggregate(greatest=Max("pk"))["greatest"] or 0


def _transactions() -> tuple[int | None, int | None]:
    with dialects.ledger_connection().cursor() as cursor:
        return dialects.ledger_dialect().transactions(cursor)
