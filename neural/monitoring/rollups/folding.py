"""Adds up what was settled, submitted and received: a duty of every relay.

Each step is one short transaction that reads, adds and deletes (or notes what it has read). So
nothing is counted twice or left out, whatever is killed. All steps take the same lock, since each
reads the rows of figures to which it adds: one relay at a time adds up.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.functions import Now

from neural.ledger import dialects
from neural.models import NeuralEvent, TaskRun
from neural.monitoring.conf import conf
from neural.monitoring.models import ReadMark, Tally
from neural.monitoring.rollups import history, writing
from neural.monitoring.rollups.histograms import Key, Sum
from neural.monitoring.rollups.marks import Span, reading_on
from neural.monitoring.rollups.tallying import add_tallies

MARK = "tallies"
"""The mark whose lock allows a relay to add up."""
MOST_TALLIES = 500
"""The most tallies of one step."""
LONGEST_TURN_SECONDS = 0.3
"""A relay that has been at it for so long leaves the rest to its next turn."""
MOST_EVENTS = 10_000
"""The most events that one transaction counts: some 20 ms."""
MOST_RUNS = 500
"""The most runs: of old ones each may be of a minute of its own, with a row of figures to write."""
MARKS = ("submitted", "events")
"""The names under which this module reads the ledger."""
_RUN = {"queue": "queue", "work": "CASE WHEN handler = '' THEN task ELSE handler END"}
_RUN |= {"store": "COALESCE(store_id, '')"}
_EVENT = {"store": "store_id", "type": "type"}


class _AnotherRelay(Exception):
    """Another relay is adding up."""


@dataclass
class _Step:
    """A step, repeated until it finds no more."""

    do: Callable[[], bool]
    is_done: bool = False


def fold_if_due() -> None:
    """Add up if ``figures_seconds`` have passed since figures were last complete.

    A backlog that takes longer than :data:`LONGEST_TURN_SECONDS` is continued by the next turn.
    """
    as_of = _due_at()
    if as_of is not None:
        fold(as_of=as_of, seconds=LONGEST_TURN_SECONDS)


def fold(*, as_of: dt.datetime, seconds: float) -> bool:
    """Add up for so many seconds at most; returns whether nothing is left.

    ``as_of`` is the database's time before the call: figures are then complete up to it. False if
    another relay is adding up.
    """
    until = time.monotonic() + seconds
    _begin()
    steps = [_Step(_fold_runs), _Step(count_events)]
    try:
        while left := [step for step in steps if not step.is_done]:
            for step in left:
                step.is_done = not _locked(step.do)
            if time.monotonic() >= until and not all(step.is_done for step in steps):
                return False
    except _AnotherRelay:
        return False
    ReadMark.objects.filter(pk=MARK).update(read_at=as_of)
    return True


def _due_at() -> dt.datetime | None:
    """The database's time if it is time to add up, else None. Takes no lock."""
    mark = ReadMark.objects.filter(pk=MARK).values_list("read_at", Now())
    if not (found := mark.first()):
        _begin()
        found = mark.get()
    read_at, now = found
    pause = dt.timedelta(seconds=conf().figures_seconds)
    is_early = read_at is not None and dt.timedelta(0) <= now - read_at < pause
    return None if is_early else now  # a time in the future: the clock has been set back


def _begin() -> None:
    """Make the mark if there is none: this is the first turn of all."""
    if not ReadMark.objects.filter(pk=MARK).exists():
        ReadMark.objects.get_or_create(name=MARK, defaults={"candidate_at": history.cut()})


def _locked(step: Callable[[], bool]) -> bool:
    with transaction.atomic(using=dialects.ledger_connection().alias):
        if not list(ReadMark.objects.select_for_update(skip_locked=True).filter(pk=MARK)):
            raise _AnotherRelay
        return step()


def _fold_runs() -> bool:
    """Add up the next new runs and tallies, together, because they change the same rows; returns
    whether there may be more."""
    mark = ReadMark.objects.get(pk=MARK)
    with new_runs(mark) if history.is_over(mark) else nullcontext() as new:
        sums = dict(new or {})
        tallies = _take_tallies()
        add_tallies(sums, tallies, since=mark.candidate_at)
        writing.add(sums)
    return new is not None or len(tallies) == MOST_TALLIES


def _take_tallies() -> list[str]:
    """Delete the next tallies, and return them: what is deleted is what is added up."""
    table = Tally._meta.db_table
    statement = f"""
        DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT %s)
        RETURNING figures
    """
    with dialects.preparing_cursor() as cursor:
        cursor.execute(statement, [MOST_TALLIES])
        return [text for (text,) in cursor.fetchall()]


@contextmanager
def new_runs(mark: ReadMark) -> Iterator[Mapping[Key, Sum] | None]:
    """A transaction with the next new runs, counted; None if there are none. They count as read
    when the block ends without an error. Of runs from before tallies (``mark``), also what has
    become of them is counted."""
    with reading_on("submitted", TaskRun, most=MOST_RUNS) as span:
        yield _sums(span, mark) if span else None


def _sums(span: Span, mark: ReadMark) -> dict[Key, Sum]:
    counted = _counted(TaskRun, "created_at", _RUN, "COUNT(*)", span)
    sums = {tuple(key): Sum(submitted=number) for *key, number in counted}
    if mark.candidate_at and span.after < mark.candidate_id:
        add_tallies(sums, [history.tally_of(span, before=mark.candidate_at)])
    return sums


def count_events() -> bool:
    """Count the next new events; returns whether there were any."""
    with reading_on("events", NeuralEvent, most=MOST_EVENTS) as span:
        if span:
            last = f"MAX({dialects.ledger_dialect().epoch_seconds('recorded_at')})"
            counted = _counted(NeuralEvent, "recorded_at", _EVENT, f"COUNT(*), {last}", span)
            writing.add_events(_by_hour(counted))
    return span is not None


def _counted(
    model: type[Model], time: str, by: Mapping[str, str], counts: str, span: Span
) -> list[Any]:
    """The keys of a span by minute (from 1970) and the values ``by``, followed by ``counts``."""
    seconds = dialects.ledger_dialect().epoch_seconds(time)
    chosen = ", ".join(f"{expression} AS {name}" for name, expression in by.items())
    places = ", ".join(str(number) for number in range(1, len(by) + 2))
    statement = f"""
        SELECT {seconds} / 60 AS minute, {chosen}, {counts}
        FROM {model._meta.db_table} WHERE id > %s AND id <= %s GROUP BY {places}
    """
    with dialects.preparing_cursor() as cursor:
        cursor.execute(statement, [span.after, span.up_to])
        return cursor.fetchall()


def _by_hour(counted: Iterable[Any]) -> Mapping[writing.EventKey, tuple[int, dt.datetime]]:
    hours: dict[writing.EventKey, tuple[int, dt.datetime]] = {}
    for minute, store, name, number, last in counted:
        key = (writing.moment(minute // 60 * 60), store, name)
        last_at = dt.datetime.fromtimestamp(last, tz=dt.UTC)
        before, latest = hours.get(key, (0, last_at))
        hours[key] = (before + number, max(latest, last_at))
    return hours
