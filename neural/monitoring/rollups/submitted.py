"""Counts submitted runs and received events, from the ledger's new rows."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db.models import Model

from neural.ledger import dialects
from neural.models import NeuralEvent, TaskRun
from neural.monitoring.models import ReadMark
from neural.monitoring.rollups import history, writing
from neural.monitoring.rollups.marks import Span, reading_on
from neural.monitoring.rollups.sums import Key, Sum
from neural.monitoring.rollups.tallying import add_tallies

MOST_EVENTS = 10_000
"""The most events that one transaction counts: some 20 ms."""
MOST_RUNS = 500
"""The most runs: of old ones each may be of a minute of its own, with a row of figures to write."""
MARKS = ("submitted", "events")
"""The names under which this module reads the ledger."""

_RUN = {"queue": "queue", "work": "CASE WHEN handler = '' THEN task ELSE handler END"}
_RUN |= {"store": "COALESCE(store_id, '')"}
_EVENT = {"store": "store_id", "type": "type"}


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
