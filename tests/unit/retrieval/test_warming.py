"""A web process loads the search model with its first search page, while somebody types."""

import gc
import threading
from collections.abc import Iterator

import pytest
from django.urls import reverse

from neural.retrieval import warming
from tests.watching import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was loaded: the store, and what a fake model was asked to embed."""
    loads: list[str] = []

    class Model:
        def embed(self, texts: list[str]) -> None:
            loads.extend(texts)

    monkeypatch.setattr(warming, "embedder", Model)
    monkeypatch.setattr(warming, "vector_store", lambda: loads.append("store"))
    warming.warm_once.cache_clear()
    yield loads
    gc.unfreeze()


def look_at_the_search_page(client) -> None:
    page = client.get(reverse("admin:neural_retrieval_search_changelist"))
    assert page.status_code == 200


def test_the_first_search_page_loads_it_and_no_other_does(
    loaded, admin_client, search_on, fake_broker
) -> None:
    look_at_the_search_page(admin_client)
    wait_until(lambda: len(loaded) == 2, 60)
    look_at_the_search_page(admin_client)

    assert loaded == ["store", "warm"]


def test_what_is_loaded_is_not_looked_at_by_garbage_collections(loaded) -> None:
    gc.unfreeze()

    warming._warm()

    assert gc.get_freeze_count() > 0


def test_other_pages_load_nothing(loaded, admin_client, search_on, fake_broker) -> None:
    assert admin_client.get(reverse("admin:index")).status_code == 200
    assert admin_client.get(reverse("admin:neural_taskrun_changelist")).status_code == 200

    assert not warming.warm_once.cache_info().currsize


def test_without_search_nothing_is_loaded(loaded, admin_client, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "search": False}

    look_at_the_search_page(admin_client)

    assert not any(thread.name == "neural-warming" for thread in threading.enumerate())
    assert loaded == []


def test_a_model_that_cannot_be_loaded_costs_nothing_but_a_line_in_the_log(
    loaded, monkeypatch, settings, caplog
) -> None:
    settings.NEURAL = {**settings.NEURAL, "search": True}

    def missing() -> None:
        raise LookupError("no model")

    monkeypatch.setattr(warming, "embedder", missing)
    warming._warm()

    assert "event=search_not_warmed" in caplog.text
