"""Tallies what a transaction settles: one row that commits with the outcomes.

A tally is a JSON array with an entry for each group of outcomes that differ in their stores alone::

    [minute, queue, work, kind, is dead, wait, duration, [store, store, …]]

``minute`` counts from 1970 (UTC). ``kind`` is ``succeeded``, ``failed`` or ``lost``. ``wait`` and
``duration`` are numbers of buckets, null if unknown. There is a store code for each outcome, empty
without a store. This is called in the transaction of every settled run, so it is written for speed.
"""

import datetime as dt
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neural.ledger.outcome import Outcome
from neural.ledger.ports import Insert
from neural.models import AttemptOutcome, RunState
from neural.monitoring.models import Tally
from neural.monitoring.rollups.histograms import BUCKETS, Key, Sum, bucket_of

logger = logging.getLogger(__name__)

SHOWN_LENGTH = 2000
_SUCCEEDED, _FAILED, _LOST = _KINDS = ("succeeded", "failed", "lost")
_BUCKETS = frozenset((None, *range(BUCKETS)))
_UNREADABLE = (ValueError, TypeError, KeyError)
encoded = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
"""Groups of outcomes as a tally."""


def tally_of(outcomes: Sequence[Outcome]) -> str:
    """The tally of these outcomes as JSON; empty if they count nothing.

    What is released, snoozed, discarded or expired, or was claimed but not started, counts nothing.
    """
    stores: dict[tuple[Any, ...], list[str]] = {}
    for outcome in outcomes:
        kind = _kind(outcome)
        if kind is None:
            continue
        run, started_at, finished_at = outcome.run, outcome.started_at, outcome.finished_at
        wait = duration = None
        if kind != _LOST:
            wait = bucket_of((started_at - run.available_at).total_seconds())
            duration = bucket_of((finished_at - started_at).total_seconds())
        minute, work = int(finished_at.timestamp()) // 60, run.handler or run.task
        is_dead = outcome.state == RunState.DEAD
        group = (minute, run.queue, work, kind, is_dead, wait, duration)
        if group in stores:
            stores[group].append(run.store_id or "")
        else:
            stores[group] = [run.store_id or ""]
    return encoded([[*group, each] for group, each in stores.items()]) if stores else ""


def _kind(outcome: Outcome) -> str | None:
    if outcome.state == RunState.SUCCEEDED:
        return _SUCCEEDED
    if outcome.attempt_outcome == AttemptOutcome.FAILED:
        return _FAILED
    if outcome.attempt_outcome == AttemptOutcome.LOST:
        return _LOST
    return None


TALLIES = Insert(table=Tally._meta.db_table, column="figures", text=tally_of)
"""What the ledger inserts with each settling transaction."""


def add_tallies(
    sums: dict[Key, Sum], tallies: Sequence[str], *, since: dt.datetime | None = None
) -> None:
    """Add what these tallies count, of outcomes from ``since`` on. What cannot be read is logged
    and left out: a newer version has written it, or a person has changed it, and all others must
    not wait for it."""
    try:
        found = _read(tallies)
    except _UNREADABLE:
        found = {}
        for text in tallies:
            _merge(found, _read_if_possible(text))
    first = int(since.timestamp()) // 60 if since else 0
    _merge(sums, {key: each for key, each in found.items() if key[0] >= first})


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
        for minute, queue, work, kind, is_dead, wait, duration, stores in json.loads(text):
            _check(minute, (queue, work, *stores), kind, (wait, duration))
            for store in stores:
                key = (minute, queue, work, store)
                total = sums.get(key)
                if total is None:
                    total = sums[key] = Sum()
                if kind == _SUCCEEDED:
                    total.succeeded += 1
                elif kind == _FAILED:
                    total.failed += 1
                else:
                    total.lost += 1
                if is_dead:
                    total.dead += 1
                if wait is not None:
                    total.wait[wait] = total.wait.get(wait, 0) + 1
                if duration is not None:
                    total.duration[duration] = total.duration.get(duration, 0) + 1
    return sums


def _check(minute: Any, names: Iterable[Any], kind: Any, buckets: Iterable[Any]) -> None:
    if type(minute) is not int or not {str}.issuperset(map(type, names)):
        raise ValueError("it names no minute, queue, work and store")
    if kind not in _KINDS:
        raise ValueError("it counts what is unknown")
    if not _BUCKETS.issuperset(buckets):
        raise ValueError("it counts in buckets that do not exist")
