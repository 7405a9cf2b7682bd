"""The console's lists and its home, and the steps of the nightly pruning."""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import Client

from benchmarks.console.pages import Page, Viewer, viewers
from benchmarks.console.walking import visit
from benchmarks.growth.ledger import Figure, middle, server_seconds, timed
from benchmarks.http_load import HOST
from neural.events.changes import walk_payloads
from neural.ledger.prune import CHUNK, PRUNABLES, Retention, Walk, walk_old, walk_runs
from neural.models import NeuralEvent, TaskRun

VISITED = (
    *("home: hour", "home: day", "home: week", "queues"),
    *("runs", "runs: last hour", "runs: of all time", "runs: older pages"),
    *("runs: a store", "runs: a work", "runs: a queue", "runs: waiting", "runs: dead letters"),
    *("runs: search, a task id", "runs: search, a prefix", "runs: search, an event id"),
    *("runs: search, an error", "runs: search, nothing", "runs: counts", "runs: counts, dead"),
    *("runs: counts, a store", "runs: counts, a work", "runs: counts of all time"),
    *("events", "events: a store", "events: a type", "events: a search", "errors"),
)
VISITS = 3
PAYLOAD_DAYS = 90
Figures = dict[str, Figure]


def of_pages(viewer: Viewer, place: int) -> Figures:
    """Each page, with an empty cache; medians of `VISITS` visits. By the clock only its statements
    count: rendering is the same at each size."""
    draw, client = Random(place), Client(SERVER_NAME=HOST)
    pages = {page.name: page for page in viewer.pages if page.name in VISITED}
    return {name: middle(_visits(client, viewer, page, draw)) for name, page in pages.items()}


def chief(runs: int) -> Viewer:
    """A user who sees every store, with the pages on their walk."""
    return viewers(1, runs=runs)[0][0]


def _visits(client: Client, viewer: Viewer, page: Page, draw: Random) -> Iterator[Figure]:
    for _ in range(VISITS):
        cache.clear()
        began = server_seconds()
        clock = visit(client, viewer, page, draw)[1]
        yield Figure(clock, 1000 * (server_seconds() - began))


def of_pruning() -> Figures:
    """The first step of pruning runs, payloads, and what apps have registered of which there is
    enough, when the oldest `CHUNK` rows have become too old; it is rolled back."""
    return {
        f"prune: {name}": middle(_step(partial(walk, now=now)) for _ in range(VISITS))
        for name, walk, now in _kinds()
        if now
    }


def _kinds() -> Iterator[tuple[str, Callable[..., Walk], dt.datetime | None]]:
    keep = Retention.of_settings().only("succeeded")
    now = _when(TaskRun.objects.all(), "finished_at", keep.least_days() or 0)
    yield "runs", partial(walk_runs, keep=keep), now
    now = _when(NeuralEvent.objects.all(), "recorded_at", PAYLOAD_DAYS)
    yield "payloads", partial(walk_payloads, keep_days=PAYLOAD_DAYS), now
    for each in PRUNABLES:
        rows = each.rows(each.model._default_manager.all())
        yield each.name, partial(walk_old, each), _when(rows, each.made_at, each.kept_days())


def _when(rows: QuerySet[Any], made_at: str, kept_days: float) -> dt.datetime | None:
    """When the oldest rows are no longer kept; None if there are fewer than `CHUNK`."""
    made = rows.order_by("pk").values_list(made_at, flat=True)[CHUNK : CHUNK + 1]
    return next((at + dt.timedelta(days=kept_days, hours=1) for at in made), None)


def _step(walk: Callable[..., Walk]) -> Figure:
    def prune() -> None:
        next(walk(dry_run=False), None)
        connection.check_constraints()

    with transaction.atomic():
        figure = timed(prune)
        transaction.set_rollback(True)
    return figure
