"""Metrics of search, loaded with the first scrape if ``neural.monitoring`` is installed."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from neural.monitoring.machines.collecting import register_metrics
from neural.retrieval.collections.registry import collections
from neural.retrieval.models import OutboxEntry

if TYPE_CHECKING:
    from prometheus_client import Metric

MOST = 1000
"""How many waiting records are counted: the first live ones, and the first of history."""
FAMILIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "neural_index_marks": (
        f"Records that wait to be indexed; the first {MOST:,} are counted, and as many of history.",
        ["collection"],
    ),
    "neural_index_oldest_mark_timestamp_seconds": (
        "Since when the first of them waits, in seconds since 1970.",
        ["collection"],
    ),
}
"""What each gauge says, and its labels. The documents list them."""


def collect() -> "Iterator[Metric]":
    """How many records of each collection wait to be indexed, and since when."""
    from prometheus_client.core import GaugeMetricFamily

    marks, oldest = (
        GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in FAMILIES.items()
    )
    for collection, since in sorted(_waiting().items()):
        marks.add_metric([collection], len(since))
        if since:
            oldest.add_metric([collection], min(since).timestamp())
    yield from (marks, oldest)


def _waiting() -> dict[str, list[dt.datetime]]:
    found: dict[str, list[dt.datetime]] = {each.name: [] for each in collections()}
    for history in (False, True):
        first = OutboxEntry.objects.waiting().filter(history=history).order_by("pk")
        for collection, since in first.values_list("collection", "created_at")[:MOST]:
            found.setdefault(collection, []).append(since)
    return found


register_metrics("search", collect)
