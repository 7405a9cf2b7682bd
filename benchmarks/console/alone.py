"""Makes each page in the measuring process: what a page costs, whatever else the machine does."""

import time
from collections.abc import Sequence
from random import Random
from statistics import median
from typing import Any

from django.db import connection, reset_queries
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.console.pages import Page, Viewer
from benchmarks.http_load import HOST

VISITS = 7
Costs = dict[str, dict[str, float]]


def costs(viewers: Sequence[Viewer]) -> Costs:
    """Of each page of these viewers: milliseconds of the web process's processor time, and of its
    statements by the clock, and the number of statements; medians."""
    draw, client = Random(1), Client(SERVER_NAME=HOST)
    pages = {page.name: (viewer, page) for viewer in viewers for page in viewer.pages}
    return {
        name: _cost([_visit(client, viewer, page, draw) for _ in range(VISITS)])
        for name, (viewer, page) in sorted(pages.items())
    }


def _visit(client: Client, viewer: Viewer, page: Page, draw: Random) -> tuple[float, float, int]:
    address = page.address(draw)
    reset_queries()  # Django keeps the last 9,000: later ones would not be counted
    with CaptureQueriesContext(connection) as asked:
        began = time.thread_time()
        answer: Any = client.get(address, headers={**viewer.headers, **page.headers})
        answer.getvalue()  # a file is made while it is read
        seconds = time.thread_time() - began
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    in_database = sum(float(each["time"]) for each in asked.captured_queries)
    return 1000 * seconds, 1000 * in_database, len(asked)


def _cost(visits: Sequence[tuple[float, float, int]]) -> dict[str, float]:
    names = ("processor_ms", "statements_ms", "statements")
    return {
        name: round(median(own), 1)
        for name, own in zip(names, zip(*visits, strict=True), strict=True)
    }
