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

from django.db.models import Count, F, IntegerField, Max, Min, OuterRef, QuerySet, Subquery, Sum

from neural.ledger.clock import database_clock
from neural.models import TaskAttempt, TaskRun
from neural.models.store import visible_stores
from neural.monitoring.models import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)
from neural.runs.models.run import TaskRunQuerySet

HOURS = 24
MOST_COUNTED = 1000
"""Dead runs and groups are counted up to this number; beyond it there are 'more than 1,000'."""

FEW_DEAD = 50
"""The dead runs of a group up to which each is looked at before it is counted."""


class BoundedCount(Subquery):
    """How many rows a query has that is cut: one statement counts for many groups."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded)"
    output_field = IntegerField()


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
    def dead_text(self) -> str:
        """The number of dead runs, with a plus if there are more."""
        return f"{self.dead:,}" + ("+" if self.dead_is_more else "")

    @property
    def attempts_of_day(self) -> int:
        """Failed attempts in the last 24 hours."""
        return sum(self.trend)


def codes_of(user: Any) -> Codes:
    """The stores whose attempts a user may see."""
    return visible_stores(user)


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
    trends = trends_of(keys, codes, now=now or database_clock())
    hits = {row["group"]: row for row in _hits(keys, codes)}
    dead_of = _dead_counts(keys, codes)
    if codes is None:
        hits = {group.pk: _unhit(group) for group in groups} | hits
    found = []
    for group in groups:
        if group.pk in hits:
            hit, dead = hits[group.pk], dead_of.get(group.pk, 0)
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
    this = _hour(now)
    first = this - dt.timedelta(hours=hours - 1)
    rows = _hours(keys, codes).filter(hour__gte=first, hour__lte=this)
    found: dict[int, list[int]] = defaultdict(lambda: [0] * hours)
    for key, hour, attempts in (
        rows.order_by().values_list("group", "hour").annotate(sum=Sum("attempts"))
    ):
        found[key][round((hour - first) / dt.timedelta(hours=1))] += attempts
    return found


def last_hours(
    keys: Sequence[int], codes: Codes, *, since: dt.datetime | None, until: dt.datetime
) -> dict[int, dt.datetime]:
    """Of these groups those that failed in the period, and the last hour of it in which they did.
    An hour that is only partly in the period counts."""
    rows = _hours(keys, codes).filter(hour__lt=until)
    if since:
        rows = rows.filter(hour__gte=_hour(since))
    return dict(rows.order_by().values_list("group").annotate(last=Max("hour")))


def _hour(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def _hours(keys: Sequence[int], codes: Codes) -> QuerySet[ErrorGroupHour]:
    rows = ErrorGroupHour.objects.filter(group__in=keys)
    if codes is None:
        return rows.filter(work="", store_code="")
    return rows.filter(store_code__in=codes)


def hits_of(key: int, codes: Codes, by: str) -> QuerySet[Any, tuple[str, int, dt.datetime]]:
    """What a group hits, by ``work`` or ``store_code``: attempts and the last of them, the most
    attempts first."""
    rows = _seen(ErrorGroupHit.objects.filter(group=key), codes).order_by()
    grouped = rows.values_list(by).annotate(sum=Sum("attempts"), last=Max("last_at"))
    return grouped.order_by("-sum", by)


def failed_runs(codes: Codes) -> QuerySet[FailedRun]:
    """The runs with a failed attempt in these stores, each with the group of its last one."""
    rows = FailedRun.objects.all()
    return rows if codes is None else rows.filter(store__in=codes)


def dead_runs(key: Any, codes: Codes) -> TaskRunQuerySet:
    """The dead runs of a group. Cut it before it is counted or read."""
    dead = failed_runs(codes).filter(group=key, dead=True)
    newest = dead.order_by("-run_id").values("run_id")[: MOST_COUNTED + 1]
    found: TaskRunQuerySet = TaskRun.objects.dead().filter(pk__in=newest)
    return found


def _dead_counts(keys: Sequence[int], codes: Codes) -> Mapping[int, int]:
    """How many dead runs each group has, at most one more than is counted. Where they are more than
    a few, this is what was last noted of them: to look at each takes longer than the whole page."""
    noted = failed_runs(codes).filter(group=OuterRef("pk"), dead=True)
    found = _counted(keys, noted.values("pk"))
    few = [key for key, number in found.items() if number <= FEW_DEAD]
    return found | _counted(few, dead_runs(OuterRef(OuterRef("pk")), codes).values("pk"))


def _counted(keys: Sequence[int], rows: QuerySet[Any]) -> dict[int, int]:
    """How many of these rows each group has, in no order, so that an index alone counts them."""
    counted = BoundedCount(rows.order_by()[: MOST_COUNTED + 1])
    groups = ErrorGroup.objects.filter(pk__in=keys).order_by()
    return dict(groups.annotate(counted=counted).values_list("pk", "counted"))


def sample_attempts(key: int, codes: Codes, limit: int) -> Sequence[int]:
    """Keys of the newest attempts of a group, of different runs."""
    mine = failed_runs(codes).filter(group=key)
    return list(mine.order_by("-attempt_id").values_list("attempt_id", flat=True)[:limit])


def example_errors(keys: Sequence[int], codes: Codes) -> Mapping[int, str]:
    """Of each group, the error of its newest attempt in these stores."""
    newest = failed_runs(codes).filter(group=OuterRef(OuterRef("pk"))).order_by("-attempt_id")
    attempt = TaskAttempt.objects.filter(pk=Subquery(newest.values("attempt_id")[:1]))
    groups = ErrorGroup.objects.filter(pk__in=keys).order_by()
    return dict(groups.annotate(error=Subquery(attempt.values("error"))).values_list("pk", "error"))


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
