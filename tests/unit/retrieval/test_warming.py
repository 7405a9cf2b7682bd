"""A web process loads the search model with its first request, not with its first search."""

import io
import threading
from typing import Any

import pytest

from neural.retrieval import choosing
from tests.watching import wait_until
from zhilian import warming
from zhilian.wsgi import application

pytestmark = pytest.mark.django_db


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What a fake model was asked to embed."""
    texts: list[list[str]] = []

    class Model:
        def embed(self, some: list[str]) -> None:
            texts.append(some)

    monkeypatch.setattr(choosing, "embedder", Model)
    monkeypatch.setattr(warming, "_began", threading.Event())
    return texts


def ask() -> None:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/healthz",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
    }
    list(application(environ, lambda status, headers, error=None: None))


def test_the_first_request_loads_it_and_no_other_does(embedded, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "search": True}

    ask()
    wait_until(lambda: embedded, 60)
    ask()

    assert len(embedded) == 1


def test_without_search_nothing_is_loaded(embedded, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "search": False}

    ask()

    assert not any(thread.name == "zhilian-warming" for thread in threading.enumerate())
    assert embedded == []


def test_a_model_that_cannot_be_loaded_costs_nothing_but_a_line_in_the_log(
    monkeypatch, settings, caplog
) -> None:
    settings.NEURAL = {**settings.NEURAL, "search": True}

    def missing() -> None:
        raise LookupError("no model")

    monkeypatch.setattr(choosing, "embedder", missing)
    warming._warm()

    assert "event=search_not_warmed" in caplog.text
