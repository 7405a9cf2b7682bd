"""Viewers that walk pages over HTTP at once, each with a session and at a human's pace; and what a
page or a file of many runs costs in the measuring process, whatever else the machine does."""

import http.client
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from benchmarks.console.pages import Page, Viewer
from benchmarks.http_load import HOST
from benchmarks.machine import memory_kilobytes

TIMEOUT = 60
Waits = dict[str, list[float]]
"""Seconds of each request, by page."""


def walk(port: int, viewers: Sequence[Viewer], *, seconds: float, pause: float) -> Waits:
    """Let all viewers walk for so many seconds, and further until each has seen all of its pages
    once. After a page, each waits for ``pause`` seconds, more or less by half."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(len(viewers)) as threads:
        walks = threads.map(
            lambda one: _walk(port, one[1], Random(one[0]), until, pause),
            enumerate(viewers),
        )
        waits: Waits = defaultdict(list)
        for each in walks:
            for name, own in each.items():
                waits[name] += own
    return waits


def _walk(port: int, viewer: Viewer, draw: Random, until: float, pause: float) -> Waits:
    waits: Waits = defaultdict(list)
    time.sleep(draw.uniform(0, pause))
    first = True
    while first or time.monotonic() < until:
        for page in draw.sample(list(viewer.pages), len(viewer.pages)):
            if not first and time.monotonic() >= until:
                break
            waits[page.name].append(_visit(port, page, viewer.headers, draw))
            time.sleep(draw.uniform(pause / 2, pause * 3 / 2))
        first = False
    return waits


def _visit(port: int, page: Page, headers: Mapping[str, str], draw: Random) -> float:
    """Seconds from connecting to the last byte. Raises for another status than 200."""
    address = page.address(draw)
    started = time.perf_counter()
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.request("GET", address, headers={**headers, **page.headers})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{address} answered {answer.status}")
    return time.perf_counter() - started


def spread(waits: Sequence[float]) -> dict[str, float]:
    """How many waits there are, and milliseconds: median, 95th percentile, most."""
    at = {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}
    ordered, last = sorted(waits), len(waits) - 1
    found = {name: round(1000 * ordered[round(last * share)], 1) for name, share in at.items()}
    return {"visits": len(waits), **found}


Costs = dict[str, dict[str, float]]


def costs(viewers: Sequence[Viewer], *, visits: int) -> Costs:
    """Of each page of these viewers: milliseconds of the web process's processor time, and of its
    statements by the clock, and the number of statements; medians."""
    draw, client = Random(1), Client(SERVER_NAME=HOST)
    pages = {page.name: (viewer, page) for viewer in viewers for page in viewer.pages}
    return {
        name: _cost([visit(client, viewer, page, draw) for _ in range(visits)])
        for name, (viewer, page) in sorted(pages.items())
    }


def visit(client: Client, viewer: Viewer, page: Page, draw: Random) -> tuple[float, float, int]:
    """Milliseconds of this process's processor time for a page, and of its statements by the clock,
    and the number of statements."""
    address, asked = page.address(draw), []

    def clock(run: Callable[..., Any], *statement: Any) -> Any:
        began = time.perf_counter()
        try:
            return run(*statement)
        finally:
            asked.append(time.perf_counter() - began)

    with connection.execute_wrapper(clock):
        began = time.thread_time()
        answer: Any = client.get(address, headers={**viewer.headers, **page.headers})
        answer.getvalue()  # a file is made while it is read
        seconds = time.thread_time() - began
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answered {answer.status_code}")
    return 1000 * seconds, 1000 * sum(asked), len(asked)


def _cost(visits: Sequence[tuple[float, float, int]]) -> dict[str, float]:
    names = ("processor_ms", "statements_ms", "statements")
    return {
        name: round(median(own), 1)
        for name, own in zip(names, zip(*visits, strict=True), strict=True)
    }


ROWS = 200_000
WARM_UP = 1_000


def file_of_runs(viewer: Viewer) -> dict[str, float]:
    """Rows, rows a second, bytes a row, and by how many MB the process grew while it made them."""
    _read(viewer, WARM_UP)
    before = memory_kilobytes("self")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from now on
    began = time.perf_counter()
    lines, size = _read(viewer, ROWS)
    seconds = time.perf_counter() - began
    return {
        "rows": lines,
        "rows_per_second": round(lines / seconds),
        "bytes_per_row": round(size / max(lines, 1)),
        "megabytes_more": round((memory_kilobytes("self", "VmHWM") - before) / 1000, 1),
    }


def _read(viewer: Viewer, rows: int) -> tuple[int, int]:
    address = f"{reverse('admin:neural_taskrun_export_csv')}?period=all&rows={rows}"
    answer: Any = Client(SERVER_NAME=HOST).get(address, headers=dict(viewer.headers))
    lines, size = 0, 0
    for part in answer.streaming_content:
        lines, size = lines + part.count(b"\r\n"), size + len(part)
    return lines - 1, size  # without the headings
