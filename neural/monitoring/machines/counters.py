"""Counters and histograms, from the figures since the first run: they never fall.

They belong to the whole installation, not to one process, so one target is scraped.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from neural.monitoring.models import TotalFigures
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import BOUNDS, Histogram, added
from neural.monitoring.rollups.reading import Figures

FAMILIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "neural_events_total": ("Events recorded.", ["type"]),
    "neural_runs_submitted_total": ("Runs recorded.", ["queue", "work"]),
    "neural_tries_total": (
        "Attempts that ended: succeeded, failed, lost.",
        ["queue", "work", "outcome"],
    ),
    "neural_runs_finished_total": (
        "Runs that succeeded, or became dead.",
        ["queue", "work", "state"],
    ),
    "neural_run_wait_seconds": ("Histogram: from due to started.", ["queue"]),
    "neural_run_duration_seconds": ("Histogram: how long attempts took.", ["queue", "work"]),
}
"""Counters and histograms: what each counts, and its labels. The documents list them."""
MOST_WORKS = 50
"""The most values of the label ``work``; all other work has :data:`OTHER`."""
OTHER = "other"


def _buckets(*bounds: float) -> Mapping[float, str]:
    """Bounds, as the label ``le`` has them."""
    return {bound: floatToGoString(bound) for bound in bounds}


WAIT_BUCKETS = _buckets(
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0),
)
DURATION_BUCKETS = _buckets(
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(30.0, 60.0, 300.0, 1800.0),
)
"""OpenTelemetry's buckets of durations, and four for long work."""
_PLACE = {bound: place for place, bound in enumerate(BOUNDS)}

Family = TypeVar("Family", CounterMetricFamily, HistogramMetricFamily)
Totals = dict[tuple[str, str], list[Figures]]


def collect() -> Iterator[Metric]:
    """Counters of events, runs and tries, and histograms of waits and durations."""
    yield _events()
    totals = _by_queue_and_label()
    yield from _counters(totals)
    yield _waits(totals)
    yield _durations(totals)


def labels_of_work() -> frozenset[str]:
    """The works that have a label of their own: the first ones there were.

    Not the busiest: a work that joined or left ``other`` would make its counter fall.
    """
    works: dict[str, None] = {}
    for work in TotalFigures.objects.order_by("pk").values_list("work", flat=True):
        works.setdefault(work)
    return frozenset([*works][:MOST_WORKS])


def _family(kind: type[Family], name: str) -> Family:
    text, labels = FAMILIES[name]
    return kind(name, text, labels=labels)


def _events() -> Metric:
    family = _family(CounterMetricFamily, "neural_events_total")
    for kind, events in sorted(reading.event_totals().items()):
        family.add_metric([kind], events)
    return family


def _by_queue_and_label() -> Totals:
    own = labels_of_work()
    totals: Totals = defaultdict(list)
    for (queue, work), figures in reading.totals().items():
        totals[queue, work if work in own else OTHER].append(figures)
    return dict(sorted(totals.items()))


def _counters(totals: Totals) -> Iterator[Metric]:
    submitted = _family(CounterMetricFamily, "neural_runs_submitted_total")
    tries = _family(CounterMetricFamily, "neural_tries_total")
    finished = _family(CounterMetricFamily, "neural_runs_finished_total")
    for key, figures in totals.items():
        submitted.add_metric(key, sum(each.submitted for each in figures))
        succeeded = sum(each.succeeded for each in figures)
        tries.add_metric([*key, "succeeded"], succeeded)
        tries.add_metric([*key, "failed"], sum(each.failed for each in figures))
        tries.add_metric([*key, "lost"], sum(each.lost for each in figures))
        finished.add_metric([*key, "succeeded"], succeeded)
        finished.add_metric([*key, "dead"], sum(each.dead for each in figures))
    yield from (submitted, tries, finished)


def _waits(totals: Totals) -> Metric:
    family = _family(HistogramMetricFamily, "neural_run_wait_seconds")
    waits: dict[str, list[Histogram]] = defaultdict(list)
    for (queue, _work), figures in totals.items():
        waits[queue] += [each.wait for each in figures]
    for queue, histograms in waits.items():
        _add(family, {"queue": queue}, histograms, WAIT_BUCKETS)
    return family


def _durations(totals: Totals) -> Metric:
    family = _family(HistogramMetricFamily, "neural_run_duration_seconds")
    for (queue, work), figures in totals.items():
        labels = {"queue": queue, "work": work}
        _add(family, labels, [each.duration for each in figures], DURATION_BUCKETS)
    return family


def _add(
    family: Metric,
    labels: dict[str, str],
    histograms: Iterable[Histogram],
    buckets: Mapping[float, str],
) -> None:
    """Add cumulative buckets and their count. There is no sum: figures keep none."""
    counts: Histogram = []
    for each in histograms:
        counts = added(counts, each)
    upto = list(accumulate(counts))
    if not upto or not upto[-1]:
        return
    name = f"{family.name}_bucket"
    for bound, label in buckets.items():
        family.add_sample(name, {**labels, "le": label}, upto[_PLACE[bound]])
    family.add_sample(name, {**labels, "le": "+Inf"}, upto[-1])
    family.add_sample(f"{family.name}_count", labels, upto[-1])
