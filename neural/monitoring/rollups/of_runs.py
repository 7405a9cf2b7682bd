"""Counts of submitted runs for the chart above the list of runs, without reading the ledger."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet, Sum

from neural.monitoring.models import HourFigures, MinuteFigures
from neural.monitoring.models.figures import EVERY_STORE
from neural.monitoring.rollups.reading import counted_until
from neural.runs.figures import Steps
from neural.runs.query import RunQuery

HOUR = dt.timedelta(hours=1)
KNOWN = {"period", "since", "until", "work", "queue", "store"}
"""Limits of a query that figures know."""


def submitted_by_step(
    query: RunQuery, stores: Sequence[str] | None, steps: Steps
) -> Sequence[int] | None:
    """How many runs were submitted in each step; None if the query has limits that figures do not
    know, or steps for which there are none."""
    if not query.params().keys() <= KNOWN or counted_until() is None:
        return None
    if steps.step % HOUR and stores is not None:
        return None
    own = Q(queue=query.queue) if query.queue else Q()
    own &= Q(work=query.work) if query.work else Q()
    rows, name = _rows(stores, steps)
    rows = rows.filter(own, **{f"{name}__gte": steps.first, f"{name}__lt": steps.end})
    counts = [0] * steps.number
    for at, number in rows.order_by().values_list(name).annotate(Sum("submitted")):
        counts[steps.place_of(at)] += number
    return counts


def _rows(stores: Sequence[str] | None, steps: Steps) -> tuple[QuerySet[Any], str]:
    if steps.step % HOUR:
        return MinuteFigures.objects.all(), "minute"
    codes = [EVERY_STORE] if stores is None else stores
    return HourFigures.objects.filter(store_code__in=codes), "hour"
