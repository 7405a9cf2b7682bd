"""Fixtures: Chromium, and the project's web process on this run's test database."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.browser.pages import Pages
from tests.integration.conftest import (  # noqa: F401  (fixtures)
    cluster,
    own_broker_server,
    pytest_runtest_makereport,
    start_beat,
)
from tests.integration.web import Web

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """A running Chromium. Playwright's event loop runs in this thread meanwhile, so it is stopped
    with the module."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="there is no Playwright: pip install -r requirements-dev.txt"
    )
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    # Django refuses queries in a thread with an event loop, in case the loop is waiting for them.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with playwright.sync_playwright() as started:
            # As root, and in containers, Chromium's own sandbox cannot start.
            browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def web_environment() -> dict[str, str]:
    """What else is in the environment of the web process; a module may have its own."""
    return {}


@pytest.fixture
def start_web(
    transactional_db,
    tmp_path: Path,
    own_broker_server,  # noqa: F811
    web_environment: dict[str, str],
) -> Iterator[Callable[..., Web]]:
    """Starts a web process, with its static files: ``start_web()``, ``start_web(port=…)``."""
    started: list[Web] = []

    def start(**options: Any) -> Web:
        environment = {"PROBE_STATIC_FILES": "1", **web_environment}
        url = own_broker_server.url
        web = Web(tmp_path, broker_url=url, workers=1, environment=environment, **options)
        started.append(web)
        return web.wait_until_ready()

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    """The web process."""
    return start_web()


@pytest.fixture
def browse(chromium, web: Web, request) -> Iterator[Callable[..., Pages]]:
    """Opens a browser window for a user, logged in: ``browse(user)``, ``browse("root")``."""
    opened: list[Pages] = []

    def open_for(user: object = "root", **options: object) -> Pages:
        opened.append(Pages(chromium, web, _session_of(user), **options))
        return opened[-1]

    yield open_for
    failed = getattr(getattr(request.node, "report_call", None), "failed", False)
    for pages in opened:
        pages.close(picture=f"{request.node.name}.png" if failed else None)


def _session_of(user: object) -> str:
    if isinstance(user, str):
        users = get_user_model().objects
        user = users.filter(username=user).first() or users.create_superuser(user)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value
