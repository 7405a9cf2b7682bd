"""Collects all metrics as Prometheus text, at most once in ``metrics_seconds`` in each process.

prometheus-client is imported with the first scrape: no other process needs it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING

from django.utils.module_loading import autodiscover_modules

from neural.kit.registry import Registry
from neural.monitoring.conf import conf

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Collect = Callable[[], "Iterable[Metric]"]

SOURCES: Registry[Collect] = Registry("source of metrics")

_lock = Lock()
_cached: tuple[float, bytes] | None = None


def register_metrics(name: str, collect: Collect) -> None:
    """Have ``/metrics`` show these, too.

    ``collect`` returns families of ``prometheus_client.core``. It is called for each scrape, so it
    must be cheap and must not scan. Call this in a module ``neural_metrics`` of an app: it is
    imported before the first scrape.
    """
    SOURCES.add(name, collect)


def exposition() -> bytes:
    """All metrics in the text format 0.0.4, at most ``metrics_seconds`` old.

    Raises ImportError without prometheus-client, and DatabaseError without the database.
    """
    global _cached
    with _lock:  # two scrapes at once ask the database once
        if _cached is None or time.monotonic() - _cached[0] >= conf().metrics_seconds:
            # Aged from the start, so that what is shown is never older than that.
            _cached = (time.monotonic(), _collect())
        return _cached[1]


class _Everything:
    """What prometheus-client asks of a registry."""

    def collect(self) -> "Iterator[Metric]":
        from neural.monitoring.machines import counters

        yield from counters.collect()
        for source in SOURCES:
            yield from source()


def _collect() -> bytes:
    from prometheus_client import generate_latest

    autodiscover_modules("neural_metrics")
    return generate_latest(_Everything())
