"""Who may see one store is told nothing of another by search: no hit, count, facet or suggestion,
and not by what is said to be missing either."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import neural
from neural.retrieval.query.searching import search_each
from neural.retrieval.stores import words
from tests.unit.admin import admin_world as world
from tests.unit.api.api_reading_world import Caller
from tests.unit.monitoring.failing import fail, grouped
from tests.unit.retrieval.search_world import order
from tests.unit.retrieval.searching import EMBEDDER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

PERMISSIONS = ("view_search", "view_order", "view_errorgroup")
COLLECTIONS = ("events", "orders", "refused", "runs", "errors")
OF_ANOTHER = ("Quokka", "R-90210", "KangarooError", "marsupial", "X-7001", "wombats", "cafe:quoll")
"""What records of S2 say, of each collection."""


@pytest.fixture(autouse=True)
def index(db: Any) -> Any:
    """The same soup in both stores; besides, what only the other one has."""
    with neural.temporary_search_index(embedder=EMBEDDER):
        order("S1", "A-17", "Pumpkin soup", table="12")
        order("S2", "R-90210", "Pumpkin soup", "Quokka pie", channel="cafe:quoll")
        refused = {"type": "order.created", "source": "till"}
        for store, name in (("S1", "X-1"), ("S2", "X-7001")):
            payload = {"order_id": name, "lines": "Pumpkin soup" if store == "S1" else "wombats"}
            neural.submit(store=store, event_id=name, payload=payload, **refused)
        fail("soup is cold", store="S1", kind="ColdError")
        fail("marsupial escaped", store="S2", kind="KangarooError", work="zoo.feed")
        grouped()
        neural.run_due()
        yield


def of_one_store(name: str = "lee") -> Any:
    return world.client_of(*PERMISSIONS, stores=[world.store("S1")], name=name)


def shown(client: Any, view: str = "changelist", **query: str) -> str:
    """What a page shows, without what was typed."""
    answer = client.get(reverse(f"admin:{view}"), query)
    assert answer.status_code == 200
    text = re.sub(
        r"(?s)<svg.*?</svg>|<input[^>]*>|<[^>]*\bhref=[^>]*>|</?mark>", "", answer.content.decode()
    )
    return text.replace(query["q"], "")


PAGE = "neural_retrieval_search_changelist"
SUGGESTIONS = "neural_look_up_suggest"


@pytest.mark.parametrize("asked", ["soup", "order", "e-", "R-90211", *OF_ANOTHER])
@pytest.mark.parametrize("view", [PAGE, SUGGESTIONS])
def test_pages_and_suggestions_show_nothing_of_another_store(view: str, asked: str) -> None:
    mine = shown(of_one_store(), view, q=asked)
    every = shown(world.superuser(), view, q="soup")

    assert "S2" not in mine
    for secret in OF_ANOTHER:
        assert secret not in mine
    assert "S2" in every


@pytest.mark.parametrize("typed", OF_ANOTHER)
def test_what_only_another_store_has_is_missing_as_if_it_were_nowhere(typed: str) -> None:
    for collection in COLLECTIONS:
        mine = neural.search(typed, collection, stores=["S1"])
        nowhere = neural.search("zzyzx", collection, stores=["S1"])

        assert not [hit for hit in mine if hit.why.kind != "meaning"]
        assert mine.missing, collection
        assert nowhere.missing, collection


@pytest.mark.parametrize("typed", ["soup", "store:S2 soup", "store:S2", *OF_ANOTHER])
def test_a_key_of_one_store_is_answered_of_this_store_alone(typed: str) -> None:
    read = Caller("S1").read
    answer, of_another = read("search", q=typed), read("search", q=typed, store="S2")

    hits = [hit for each in answer["collections"] for hit in each["hits"]]
    assert {hit["store"] for hit in hits} <= {"S1"}
    assert not any(each["hits"] for each in of_another["collections"])
    assert not any(secret in repr(hits) for secret in OF_ANOTHER)
    if typed in OF_ANOTHER:
        assert answer["missing"] == [typed] or not hits


def test_error_groups_are_narrowed_by_a_store_in_the_text_as_by_the_users_own() -> None:
    def titles(text: str, **within: Any) -> list[str]:
        hits = neural.search(text, "errors", sort="time", **within)
        return [hit.title for hit in hits if hit.why.scores.keys() != {"meaning"}]

    assert titles("store:S1") == ["ColdError"]
    assert titles("store:S2 open") == ["KangarooError"]
    assert titles("Error store:S2", stores=["S1"]) == []
    assert titles("state:open store:S1 yesterday") == []
    assert titles("KangarooError", store="S1") == []
    found = neural.search("KangarooError ColdError", "errors", store="S1")
    assert ([hit.title for hit in found], list(found.missing)) == (["ColdError"], ["kangarooerror"])


def test_who_sees_more_stores_than_one_condition_names_is_told_nothing_of_others() -> None:
    many = ["S1", *(f"M{number}" for number in range(words._STORES_AS_TOKENS))]

    found = neural.search("quokka soup", "orders", stores=many)

    assert [hit.store for hit in found] == ["S1"]
    assert found.missing == ("quokka",)


def test_more_collections_are_searched_by_no_more_statements_and_answer_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(*collections: str) -> tuple[dict[str, list[str]], int]:
        with CaptureQueriesContext(connection) as statements:
            found = search_each("pumkin soup", collections, stores=["S1"], meaning=False)
        tables = ("neural_searchrow", "neural_searchwords", "neural_searchterm")
        read = [each for each in statements if any(table in each["sql"] for table in tables)]
        return {name: [hit.key for hit in hits] for name, hits in found.items()}, len(read)

    monkeypatch.setattr(words, "_samples", [])
    asked(*COLLECTIONS)  # reads the sample that a process keeps for a minute
    alone = [asked(each) for each in COLLECTIONS]
    found, statements = asked(*COLLECTIONS)

    assert found == {name: hits for each, _ in alone for name, hits in each.items()}
    assert any(found.values())
    assert statements == max(number for _, number in alone)
