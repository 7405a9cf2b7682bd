"""Reads error groups for pages, alerts and metrics: scoped to a user's stores, served by indexes.

Whoever is limited to some stores sees only groups that hit these, with the counts of these alone.
What a group shows of its cause is the same in each of its attempts
(:mod:`neural.monitoring.errors.fingerprint`), so nothing of another store can be read in it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Max, Min, OuterRef, QuerySet, Subquery, Sum
from django.utils import timezone

from neural.models import Store, TaskRun
from neural.models.run import TaskRunQuerySet
from neural.models.store import sees_every_store
from neural.monitoring.models import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)

HOURS = 24
MOST_COUNTED = 1000
"""Dead runs and groups are counted up to this number; beyond it there are 'more than 1,000'."""

Codes = Collection[str] | None
"""Codes of the stores whose attempts may be seen; None for all attempts."""


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """A group, and what of it a user may see."""

    group: ErrorGroup
    trend: Sequence[int]
    """Failed attempts in each of the last 24 hours, the oldest first."""
    attempts: int
    """Failed attempts since the first."""
    first_at: dt.datetime
    last_at: dt.datetime
    dead: int
    """Dead runs, at most :data:`MOST_COUNTED`."""
    dead_is_more: bool
    """Whether there are more dead runs than ``dead``."""
    stores: int
    """How many stores it hits."""
    works: int
    """How many tasks and handlers it hits."""

    @property
    def attempts_of_day(self) -> int:
        """Failed attempts in the last 24 hours."""
        return sum(self.trend)


def codes_of(user: Any) -> Codes:
    """The stores whose attempts a user may see."""
    if sees_every_store(user):
        return None
    return list(Store.objects.for_user(user).values_list("pk", flat=True))


def groups_for(codes: Codes) -> QuerySet[Any, Any]:
    """The groups that hit these stores, with ``shown_last``: when they did last."""
    if codes is None:
        return ErrorGroup.objects.annotate(shown_last=F("last_at"))
    # Codes as literals: a sub-select of the user's stores makes PostgreSQL read far more.
    hits = ErrorGroupHit.objects.filter(store_code__in=codes)
    last = hits.filter(group=OuterRef("pk")).order_by().values("group")
    return ErrorGroup.objects.filter(pk__in=hits.values("group")).annotate(
        shown_last=Subquery(last.annotate(last=Max("last_at")).values("last"))
    )


def open_groups(user: Any, limit: int, *, now: dt.datetime | None = None) -> Sequence[GroupFigures]:
    """The open groups that a user may see, those that failed last first."""
    codes = codes_of(user)
    found = groups_for(codes).filter(state=ErrorGroupState.OPEN).order_by("-shown_last", "-pk")
    return figures_of(list(found[:limit]), codes, now=now)


def open_count(user: Any = None) -> int:
    """How many groups are open, at most :data:`MOST_COUNTED`; of those that ``user`` may see, or
    of all."""
    rows = groups_for(None if user is None else codes_of(user))
    found = rows.filter(state=ErrorGroupState.OPEN).order_by().values("pk")
    return found[:MOST_COUNTED].count()


def figures_of(
    groups: Sequence[ErrorGroup], codes: Codes, *, now: dt.datetime | None = None
) -> Sequence[GroupFigures]:
    """The figures of these groups in these stores."""
    keys = [group.pk for group in groups]
    trends = trends_of(keys, codes, now=now or timezone.now())
    hits = {row["group"]: row for row in _hits(keys, codes)}
    if codes is None:
        hits = {group.pk: _unhit(group) for group in groups} | hits
    found = []
    for group in groups:
        if group.pk in hits:
            dead = dead_runs(group.pk, codes)[: MOST_COUNTED + 1].count()
            hit = hits[group.pk]
            found.append(
                GroupFigures(
                    group=group,
                    trend=trends[group.pk],
                    attempts=hit["attempts"],
                    first_at=hit["first"],
                    last_at=hit["last"],
                    dead=min(dead, MOST_COUNTED),
                    dead_is_more=dead > MOST_COUNTED,
                    stores=hit["stores"],
                    works=hit["works"],
                )
            )
    return found


def _unhit(group: ErrorGroup) -> dict[str, Any]:
    """What the group's own row says, if there is nothing of what it hits."""
    times = {"first": group.first_at, "last": group.last_at}
    return {"attempts": group.attempts, "stores": 0, "works": 0, **times}


def trends_of(
    keys: Sequence[int], codes: Codes, *, now: dt.datetime, hours: int = HOURS
) -> Mapping[int, Sequence[int]]:
    """Failed attempts of each group in each of the last hours, the oldest first."""
    this = now.replace(minute=0, second=0, microsecond=0)
    first = this - dt.timedelta(hours=hours - 1)
    rows = ErrorGroupHour.objects.filter(group__in=keys, hour__gte=first, hour__lte=this)
    rows = (
        rows.filter(work="", store_code="") if codes is None else rows.filter(store_code__in=codes)
    )
    found: dict[int, list[int]] = defaultdict(lambda: [0] * hours)
    for key, hour, attempts in (
        rows.order_by().values_list("group", "hour").annotate(sum=Sum("attempts"))
    ):
        found[key][round((hour - first) / dt.timedelta(hours=1))] += attempts
    return found


def hits_of(key: int, codes: Codes, by: str) -> QuerySet[Any, tuple[str, int, dt.datetime]]:
    """What a group hits, by ``work`` or ``store_code``: attempts and the last of them, the most
    attempts first."""
    rows = _seen(ErrorGroupHit.objects.filter(group=key), codes).order_by()
    grouped = rows.values_list(by).annotate(sum=Sum("attempts"), last=Max("last_at"))
    return grouped.order_by("-sum", by)


def dead_runs(key: int, codes: Codes) -> TaskRunQuerySet:
    """The dead runs of a group. Cut it before it is counted or read."""
    mine = FailedRun.objects.filter(group=key, dead=True)
    mine = mine if codes is None else mine.filter(store__in=codes)
    newest = mine.order_by("-run_id").values("run_id")[: MOST_COUNTED + 1]
    found: TaskRunQuerySet = TaskRun.objects.dead().filter(pk__in=newest)
    return found


def sample_attempts(key: int, codes: Codes, limit: int) -> Sequence[int]:
    """Keys of the newest attempts of a group, of different runs."""
    mine = FailedRun.objects.filter(group=key)
    mine = mine if codes is None else mine.filter(store__in=codes)
    return list(mine.order_by("-attempt_id").values_list("attempt_id", flat=True)[:limit])


def _hits(keys: Sequence[int], codes: Codes) -> Any:
    rows = _seen(ErrorGroupHit.objects.filter(group__in=keys), codes)
    return (
        rows.order_by()
        .values("group")
        .annotate(
            attempts=Sum("attempts"),
            first=Min("first_at"),
            last=Max("last_at"),
            stores=Count("store_code", distinct=True),
            works=Count("work", distinct=True),
        )
    )


def _seen(rows: QuerySet[Any], codes: Codes) -> QuerySet[Any]:
    return rows if codes is None else rows.filter(store_code__in=codes)
