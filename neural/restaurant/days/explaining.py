"""Events that may explain what is missing of a store's business day."""

import datetime as dt
from collections.abc import Sequence

from neural.models import RefusedEvent, Store, TaskRun

MOST_SHOWN = 20
MOST_READ = 1000
"""How many of the newest dead runs, and of a store's newest refused events, are looked at."""


def span_of(store: Store, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """When a business day begins, and when it ends."""
    begin = dt.datetime.combine(day, store.day_ends_at, store.zone)
    end = dt.datetime.combine(day + dt.timedelta(days=1), store.day_ends_at, store.zone)
    return begin, end


def dead_runs(store: Store, day: dt.date) -> Sequence[TaskRun]:
    """Dead runs of events that occurred on this day, the newest first."""
    newest = TaskRun.objects.dead().order_by("-pk").values("pk")[:MOST_READ]
    begin, end = span_of(store, day)
    found = TaskRun.objects.filter(
        pk__in=list(newest.values_list("pk", flat=True)),
        store=store,
        event__occurred_at__gte=begin,
        event__occurred_at__lt=end,
    )
    return list(found.select_related("event").order_by("-pk")[:MOST_SHOWN])


def refused_events(store: Store, day: dt.date) -> Sequence[RefusedEvent]:
    """Events of the store that were refused during this day and that nobody corrected or dismissed,
    the newest first."""
    own = RefusedEvent.objects.filter(store_code=store.pk).order_by("-pk")
    newest = list(own.values_list("pk", flat=True)[:MOST_READ])
    begin, end = span_of(store, day)
    found = RefusedEvent.objects.open().filter(
        pk__in=newest, refused_at__gte=begin, refused_at__lt=end
    )
    return list(found.defer("payload").order_by("-pk")[:MOST_SHOWN])
