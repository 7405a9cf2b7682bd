"""Viewers that walk pages over HTTP at once, each with a session and at a human's pace."""

import http.client
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

from benchmarks.console.pages import Page, Viewer
from benchmarks.http_load import HOST

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
