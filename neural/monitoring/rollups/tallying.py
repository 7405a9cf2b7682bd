"""Tallies what a transaction settles: one row that commits with the outcomes.

A tally is a JSON array with an entry for each minute, queue, work and store::

    [minute, queue, work, store, succeeded, failed, lost, dead, wait, duration]

``minute`` counts from 1970 (UTC). ``wait`` and ``duration`` are pairs of bucket and count, one
after the other: ``[3, 49, 4, 1]`` counts 49 durations in bucket 3 and one in bucket 4. This is
called in the transaction of every settled run, so it is written for speed.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from neural.ledger.outcome import Outcome
from neural.ledger.ports import Insert
from neural.models import AttemptOutcome, RunState
from neural.monitoring.models import Tally
from neural.monitoring.rollups.histograms import BUCKETS, bucket_of
from neural.monitoring.rollups.sums import Buckets, Key, Sum, pour

logger = logging.getLogger(__name__)

SHOWN_LENGTH = 2000
_BUCKETS = frozenset(range(BUCKETS))
_SUCCEEDED, _FAILED, _LOST, _DEAD, _WAIT, _DURATION = range(6)


def tally_of(outcomes: Sequence[Outcome]) -> str:
    """The tally of these outcomes as JSON; empty if they count nothing.

    What is released, snoozed, discarded or expired, or was claimed but not started, counts nothing.
    """
    entries: dict[Key, list[Any]] = {}
    for outcome in outcomes:
        kind = _kind(outcome)
        if kind is None:
            continue
        run, finished_at = outcome.run, outcome.finished_at
        minute = int(finished_at.timestamp()) // 60
        key = (minute, run.queue, run.handler or run.task, run.store_id or "")
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = [0, 0, 0, 0, {}, {}]
        entry[kind] += 1
        if outcome.state == RunState.DEAD:
            entry[_DEAD] += 1
        if kind != _LOST:
            _count(entry[_WAIT], (outcome.started_at - run.available_at).total_seconds())
            _count(entry[_DURATION], (finished_at - outcome.started_at).total_seconds())
    return json.dumps([_row(*each) for each in entries.items()]) if entries else ""


def _kind(outcome: Outcome) -> int | None:
    if outcome.state == RunState.SUCCEEDED:
        return _SUCCEEDED
    if outcome.attempt_outcome == AttemptOutcome.FAILED:
        return _FAILED
    if outcome.attempt_outcome == AttemptOutcome.LOST:
        return _LOST
    return None


def _count(buckets: Buckets, seconds: float) -> None:
    bucket = bucket_of(seconds)
    buckets[bucket] = buckets.get(bucket, 0) + 1


def _row(key: Key, entry: list[Any]) -> list[Any]:
    return [*key, *entry[:_WAIT], _flat(entry[_WAIT]), _flat(entry[_DURATION])]


def _flat(buckets: Buckets) -> list[int]:
    return [number for pair in buckets.items() for number in pair]


TALLIES = Insert(table=Tally._meta.db_table, column="figures", text=tally_of)
"""What the ledger inserts with each settling transaction."""


def add_tallies(sums: dict[Key, Sum], tallies: Sequence[str]) -> None:
    """Add what these tallies count. What cannot be read is logged and left out: a newer version has
    written it, or a person has changed it, and all others must not wait for it."""
    try:
        found = _read(tallies)
    except _UNREADABLE:
        found = {}
        for text in tallies:
            _merge(found, _read_if_possible(text))
    _merge(sums, found)


_UNREADABLE = (ValueError, TypeError, KeyError)


def _read_if_possible(text: str) -> dict[Key, Sum]:
    try:
        return _read([text])
    except _UNREADABLE as error:
        logger.error("event=tally_unreadable error=%r tally=%r", str(error), text[:SHOWN_LENGTH])
        return {}


def _merge(sums: dict[Key, Sum], found: Mapping[Key, Sum]) -> None:
    for key, each in found.items():
        if key in sums:
            sums[key].add(each)
        else:
            sums[key] = each


def _read(tallies: Iterable[str]) -> dict[Key, Sum]:
    """What tallies count together. Called for every settled run, so written for speed, too."""
    sums: dict[Key, Sum] = {}
    for text in tallies:
        for minute, queue, work, store, succeeded, failed, lost, dead, wait, duration in json.loads(
            text
        ):
            key = (minute, queue, work, store)
            total = sums.get(key)
            if total is None:
                total = sums[key] = Sum()
            total.succeeded += succeeded
            total.failed += failed
            total.lost += lost
            total.dead += dead
            pour(total.wait, _pairs(wait))
            pour(total.duration, _pairs(duration))
    for (minute, *names), total in sums.items():
        _check(minute, names, total)
    return sums


def _check(minute: Any, names: Sequence[Any], total: Sum) -> None:
    if type(minute) is not int or not all(isinstance(name, str) for name in names):
        raise ValueError("it names no minute, queue, work and store")
    if not _BUCKETS.issuperset(total.wait) or not _BUCKETS.issuperset(total.duration):
        raise ValueError("it counts in buckets that do not exist")


def _pairs(flat: Sequence[int]) -> Iterator[tuple[int, int]]:
    each = iter(flat)
    return zip(each, each, strict=True)
