"""Fixtures: Chromium, and the project's web process on this run's test database."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

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
def web(transactional_db, tmp_path: Path, own_broker_server) -> Iterator[Web]:  # noqa: F811
    """The web process, with its static files."""
    started = Web(
        tmp_path,
        broker_url=own_broker_server.url,
        workers=1,
        environment={"PROBE_STATIC_FILES": "1"},
    )
    yield started.wait_until_ready()
    started.kill()


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
