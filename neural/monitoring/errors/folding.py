"""Adds failed attempts to their groups: counts, trend, what is hit, and the runs."""

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Count as Counted
from django.db.models import Model

from neural.monitoring.errors.fingerprint import VERSION, Cause
from neural.monitoring.errors.listeners import tell
from neural.monitoring.models import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)
from neural.monitoring.rollups.writing import GREATEST, LEAST, SUM, add_up

MOST_OF_A_PLACE = 100
"""Groups with one type and place. A message with values that nobody can tell from words would make
a group each; further ones share a group."""
OTHER_MESSAGES = "…"
NEWS = dt.timedelta(hours=1)
"""Listeners are not told of groups that failed last before that, as after an installation."""


@dataclass
class Count:
    """Failed attempts, and when the first and the last of them ended."""

    attempts: int
    first_at: dt.datetime
    last_at: dt.datetime

    def add(self, at: dt.datetime) -> None:
        """Count one more."""
        self.attempts += 1
        self.first_at, self.last_at = min(self.first_at, at), max(self.last_at, at)


def _add_counts(
    model: type[Model],
    keys: Sequence[str],
    counts: Mapping[tuple[Any, ...], Count],
    *,
    times: bool = False,
) -> None:
    """Add these counts to the rows with these values of ``keys``, which a constraint makes unique.

    With ``times`` the rows also have ``first_at`` and ``last_at``.
    """
    how = {"attempts": SUM}
    if times:
        how |= {"first_at": LEAST, "last_at": GREATEST}
    rows = [(*key, *(getattr(count, name) for name in how)) for key, count in counts.items()]
    add_up(model, keys, how, rows)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed attempt or a lost delivery, with its cause."""

    attempt_id: int
    run_id: int
    work: str
    store_id: str | None
    started_at: dt.datetime
    finished_at: dt.datetime
    is_dead: bool
    """Whether its run is dead now."""
    cause: Cause

    @property
    def hour(self) -> dt.datetime:
        return self.finished_at.replace(minute=0, second=0, microsecond=0)


def fold(failures: Sequence[Failure], *, now: dt.datetime) -> None:
    """Add these attempts to their groups, in the current transaction. Each must be added once.

    A resolved group is opened again by an attempt that began after it was resolved: one that was
    under way then may still have the old code.
    """
    if not failures:
        return
    groups = _groups_of({failure.cause: failure for failure in failures}.values())
    keys = {cause: group.pk for cause, group in groups.items()}
    new = {group.pk for group in groups.values() if not group.attempts}
    _count(groups, failures)
    _tell(groups.values(), new | _reopen(groups, failures, now), now)
    hours: dict[tuple[Any, ...], Count] = {}
    hits: dict[tuple[Any, ...], Count] = {}
    for each in failures:
        key, code = keys[each.cause], each.store_id or ""
        _put(hours, (key, each.hour, each.work, code), each)
        _put(hours, (key, each.hour, "", ""), each)
        _put(hits, (key, each.work, code), each)
    _add_counts(ErrorGroupHour, ("group", "hour", "work", "store_code"), hours)
    _add_counts(ErrorGroupHit, ("group", "work", "store_code"), hits, times=True)
    _note_runs(keys, failures)


def _put(counts: dict[tuple[Any, ...], Count], key: tuple[Any, ...], failure: Failure) -> None:
    if key in counts:
        counts[key].add(failure.finished_at)
    else:
        counts[key] = Count(1, failure.finished_at, failure.finished_at)


def _groups_of(firsts: Iterable[Failure]) -> dict[Cause, ErrorGroup]:
    """The group of each cause; new ones are made."""
    found = {failure.cause: failure for failure in firsts}
    known = _known(found)
    missing = [cause for cause in found if cause.fingerprint not in known]
    taken = _shared(missing)
    wanted = {cause: taken.get(cause, cause) for cause in found}
    new = {
        wanted[cause].fingerprint: (wanted[cause], found[cause].finished_at) for cause in missing
    }
    ErrorGroup.objects.bulk_create(
        [_new(cause, at) for cause, at in new.values()], ignore_conflicts=True
    )
    known |= _known(wanted[cause] for cause in missing)
    return {cause: known[wanted[cause].fingerprint] for cause in found}


def _known(causes: Iterable[Cause]) -> dict[str, ErrorGroup]:
    names = [cause.fingerprint for cause in causes]
    return {} if not names else ErrorGroup.objects.in_bulk(names, field_name="fingerprint")


def _new(cause: Cause, at: dt.datetime) -> ErrorGroup:
    return ErrorGroup(
        fingerprint=cause.fingerprint,
        exception=cause.exception,
        message=cause.message,
        frame=cause.frame,
        root=cause.root,
        first_at=at,
        last_at=at,
    )


def _shared(missing: Sequence[Cause]) -> dict[Cause, Cause]:
    """The causes that are one too many of their type and place, each with the one they share."""
    places = {(cause.exception, cause.frame) for cause in missing}
    rows = (
        ErrorGroup.objects.filter(exception__in={exception for exception, _ in places})
        .filter(frame__in={frame for _, frame in places})
        .values_list("exception", "frame")
        .annotate(groups=Counted("pk"))
        .order_by()
        if places
        else ()
    )
    taken: Counter[tuple[str, str]] = Counter()
    for exception, frame, count in rows:
        taken[exception, frame] = count
    shared: dict[Cause, Cause] = {}
    for cause in missing:
        place = (cause.exception, cause.frame)
        taken[place] += 1
        if taken[place] > MOST_OF_A_PLACE:
            shared[cause] = _of_all(cause)
    return shared


def _of_all(cause: Cause) -> Cause:
    """The cause of all messages of a type and place."""
    digest = hashlib.sha256(f"{cause.exception}\n{cause.frame}".encode()).hexdigest()[:40]
    return Cause(f"{VERSION}-any-{digest}", cause.exception, OTHER_MESSAGES, cause.frame)


def _count(groups: dict[Cause, ErrorGroup], failures: Sequence[Failure]) -> None:
    by_key = {group.pk: group for group in groups.values()}
    groups.update({cause: by_key[group.pk] for cause, group in groups.items()})
    for each in failures:
        group = groups[each.cause]
        group.attempts += 1
        group.first_at = min(group.first_at, each.finished_at)
        group.last_at = max(group.last_at, each.finished_at)
    rows = sorted(by_key.values(), key=lambda group: group.pk)
    ErrorGroup.objects.bulk_update(rows, ["attempts", "first_at", "last_at"], batch_size=200)


def _tell(groups: Iterable[ErrorGroup], keys: Collection[int], now: dt.datetime) -> None:
    """Tell listeners of these groups after the commit, unless it is news of long ago."""
    told = {group.pk: group for group in groups if group.pk in keys}
    recent = [group for group in told.values() if now - group.last_at < NEWS]
    if recent:
        transaction.on_commit(partial(tell, recent), robust=True)


def _reopen(
    groups: dict[Cause, ErrorGroup], failures: Sequence[Failure], now: dt.datetime
) -> set[int]:
    """Open resolved groups again; returns the keys of those that were."""
    began: dict[int, list[dt.datetime]] = defaultdict(list)
    for each in failures:
        began[groups[each.cause].pk].append(each.started_at)
    resolved = {
        group.pk: max(began[group.pk])
        for group in groups.values()
        if group.state == ErrorGroupState.RESOLVED
    }
    opened = set()
    for key, last in resolved.items():
        rows = ErrorGroup.objects.filter(pk=key, state=ErrorGroupState.RESOLVED)
        if rows.filter(resolved_at__lt=last).update(
            state=ErrorGroupState.OPEN, reopened_at=now, decided_by=""
        ):
            opened.add(key)
    for group in groups.values():
        if group.pk in opened:
            group.state, group.reopened_at = ErrorGroupState.OPEN, now
    return opened


def _note_runs(keys: dict[Cause, int], failures: Sequence[Failure]) -> None:
    latest = {each.run_id: each for each in sorted(failures, key=lambda each: each.attempt_id)}
    rows = [
        FailedRun(
            run_id=each.run_id,
            group_id=keys[each.cause],
            attempt_id=each.attempt_id,
            store_id=each.store_id,
            failed_at=each.finished_at,
            dead=each.is_dead,
        )
        for each in latest.values()
    ]
    FailedRun.objects.bulk_create(
        sorted(rows, key=lambda row: row.run_id),
        update_conflicts=True,
        unique_fields=["run_id"],
        update_fields=["group", "attempt_id", "store", "failed_at", "dead"],
        batch_size=200,
    )
