"""Adds failed attempts to their groups: counts, trend, what is hit, and the runs."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from neural.events.changes import record_changed, runs_changed
from neural.monitoring.errors.fingerprint import Cause
from neural.monitoring.errors.sentry import report
from neural.monitoring.models import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)
from neural.monitoring.rollups.writing import GREATEST, LEAST, SUM, add_up

NEWS = dt.timedelta(hours=1)
"""Sentry hears nothing of groups that failed last before that, as after an installation."""


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


Groups = Mapping[Cause, ErrorGroup]


def fold(failures: Sequence[Failure], *, now: dt.datetime) -> None:
    """Add these attempts to their groups, in the current transaction. Each must be added once.

    A resolved group is opened again by an attempt that began after it was resolved: one that was
    under way then may still have the old code.
    """
    if not failures:
        return
    groups = _groups_of({failure.cause: failure for failure in failures})
    is_news = {group.pk for group in groups.values() if not group.attempts}
    _count(groups, failures)
    is_news |= _reopen(groups, failures, now)
    recent = [
        group for group in groups.values() if group.pk in is_news and now - group.last_at < NEWS
    ]
    if recent:
        transaction.on_commit(lambda: report(recent), robust=True)
    # The row without a work has the sum of the hour.
    hours = _times(failures, lambda each: (each.hour, each.work, each.store_id or ""), groups)
    hours |= _times(failures, lambda each: (each.hour, "", ""), groups)
    hits = _times(failures, lambda each: (each.work, each.store_id or ""), groups)
    add_up(
        ErrorGroupHour,
        ("group", "hour", "work", "store_code"),
        {"attempts": SUM},
        [(*key, len(times)) for key, times in hours.items()],
    )
    add_up(
        ErrorGroupHit,
        ("group", "work", "store_code"),
        {"attempts": SUM, "first_at": LEAST, "last_at": GREATEST},
        [(*key, len(times), min(times), max(times)) for key, times in hits.items()],
    )
    _note_runs(groups, failures)
    groups_changed(group.pk for group in groups.values())


ERRORS = "errors"
"""The search collection of error groups."""


def groups_changed(keys: Iterable[int]) -> None:
    """Tell listeners, such as the search index, of these groups."""
    record_changed(ERRORS, {f"/{key}" for key in keys}, history=False)


def _times(
    failures: Sequence[Failure], by: Callable[[Failure], tuple[Any, ...]], groups: Groups
) -> dict[tuple[Any, ...], list[dt.datetime]]:
    """When attempts failed, by their group and these values."""
    found: dict[tuple[Any, ...], list[dt.datetime]] = defaultdict(list)
    for each in failures:
        found[groups[each.cause].pk, *by(each)].append(each.finished_at)
    return found


def _groups_of(firsts: Mapping[Cause, Failure]) -> Groups:
    """The group of each cause; new ones are made."""
    names = [cause.fingerprint for cause in firsts]
    groups = ErrorGroup.objects.in_bulk(names, field_name="fingerprint")
    new = [_new(*each) for each in firsts.items() if each[0].fingerprint not in groups]
    if new:
        ErrorGroup.objects.bulk_create(new, ignore_conflicts=True)
        groups = ErrorGroup.objects.in_bulk(names, field_name="fingerprint")
    return {cause: groups[cause.fingerprint] for cause in firsts}


def _new(cause: Cause, first: Failure) -> ErrorGroup:
    return ErrorGroup(**vars(cause), first_at=first.finished_at, last_at=first.finished_at)


def _count(groups: Groups, failures: Sequence[Failure]) -> None:
    for each in failures:
        group = groups[each.cause]
        group.attempts += 1
        group.first_at = min(group.first_at, each.finished_at)
        group.last_at = max(group.last_at, each.finished_at)
    rows = sorted(groups.values(), key=lambda group: group.pk)
    ErrorGroup.objects.bulk_update(rows, ["attempts", "first_at", "last_at"], batch_size=200)


def _reopen(groups: Groups, failures: Sequence[Failure], now: dt.datetime) -> set[int]:
    """Open resolved groups again; returns the keys of those that were."""
    opened = set()
    for group in groups.values():
        if group.state != ErrorGroupState.RESOLVED:
            continue
        last = max(each.started_at for each in failures if groups[each.cause] is group)
        # Somebody may have decided otherwise meanwhile.
        rows = ErrorGroup.objects.filter(pk=group.pk, state=ErrorGroupState.RESOLVED)
        changes = {"state": ErrorGroupState.OPEN, "reopened_at": now}
        if rows.filter(resolved_at__lt=last).update(**changes, decided_by=""):
            group.state, group.reopened_at = ErrorGroupState.OPEN, now
            opened.add(group.pk)
    return opened


def _note_runs(groups: Groups, failures: Sequence[Failure]) -> None:
    latest = {each.run_id: each for each in sorted(failures, key=lambda each: each.attempt_id)}
    rows = [
        FailedRun(
            run_id=each.run_id,
            group=groups[each.cause],
            attempt_id=each.attempt_id,
            store_id=each.store_id,
            failed_at=each.finished_at,
            dead=each.is_dead,
        )
        for each in latest.values()
    ]
    were_dead = set(FailedRun.objects.filter(pk__in=latest, dead=True).values_list("pk", flat=True))
    runs_changed((row.store_id, row.pk) for row in rows if row.dead or row.pk in were_dead)
    FailedRun.objects.bulk_create(
        sorted(rows, key=lambda row: row.run_id),
        update_conflicts=True,
        unique_fields=["run_id"],
        update_fields=["group", "attempt_id", "store", "failed_at", "dead"],
        batch_size=200,
    )
