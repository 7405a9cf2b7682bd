"""search(): what it answers, to whom, and what it says besides."""

import datetime as dt

import pytest

from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import (
    COLLECTIONS,
    CollectionUnknown,
    SearchCollection,
    register_collection,
)
from neural.retrieval.embedders.base import EmbedderUnavailable
from neural.retrieval.models import IngestedRecord, OutboxEntry
from neural.retrieval.query import searching as asking
from neural.retrieval.query.searching import search
from neural.retrieval.stores import words
from neural.retrieval.stores.base import TableMissing
from tests.registries import forget
from tests.unit.retrieval.search_menu import at, index_of

ORDERS = [
    Document(
        id="1", store="S1", kind="dine_in", at=at(1), title="订单 1", names=("红烧肉", "米饭")
    ),
    Document(id="2", store="S1", kind="takeaway", at=at(2), title="订单 2", names=("紅燒肉",)),
    Document(
        id="3", store="S2", kind="dine_in", at=at(3), title="订单 3", names=("红烧肉", "米饭")
    ),
    Document(id="4", store="S2", kind="dine_in", at=at(4), title="订单 4", names=("鱼汤",)),
    Document(id="5", title="红烧肉", text="菜单"),
]


pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def index(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        made = index_of(ORDERS)
        yield made
        words.drop(made.index.pk)
        made.store.drop(made.index.table)
        made.index.delete()


@pytest.fixture(autouse=True)
def active(index, monkeypatch):
    """What of ``index`` a test changes is given by ``active(name=value)``."""
    register_collection(SearchCollection(name="menu", label="menu", document=lambda record: record))
    monkeypatch.setattr(asking, "active_index", lambda name: index)
    # These records are in the index alone.
    monkeypatch.setattr(asking, "present", lambda collection, keys: set(keys))
    yield lambda found: monkeypatch.setattr(asking, "active_index", lambda name: found)
    forget(COLLECTIONS, "menu")


class Unavailable:
    name = "away"

    def embed(self, texts):
        raise EmbedderUnavailable("no answer")


class Gone:
    def nearest(self, *args, **kwargs):
        raise TableMissing("gone")

    rows = nearest


def ids(found):
    return sorted(hit.id for hit in found)


def with_(index, **changes):
    return type(index)(**{**vars(index), **changes})


def test_a_hit_is_the_record_and_why_it_was_found():
    hit = search("红烧肉", "menu", "S1", kind="takeaway")[0]

    assert (hit.collection, hit.key, hit.id, hit.store) == ("menu", "S1/2", "2", "S1")
    assert (hit.kind, hit.at, hit.title, hit.names) == ("takeaway", at(2), "订单 2", ("紅燒肉",))
    assert (hit.why.names, hit.why.parts) == (("紅燒肉",), ("紅燒肉",))
    assert hit.score == pytest.approx(sum(hit.why.scores.values()))


def test_what_only_sounds_alike_is_shown_as_the_name_that_does():
    hit = search("hongshao rou", "menu", "S1", kind="takeaway")[0]

    assert hit.why.parts == ("紅燒肉",)
    assert hit.why.kind == "sounds"


@pytest.mark.parametrize(
    ("store", "stores", "seen"),
    [
        (None, None, ["1", "2", "3", "5"]),
        ("S1", None, ["1", "2"]),
        (None, ["S1", "S2"], ["1", "2", "3"]),
        (None, [], []),
        ("S1", ["S2"], []),
        ("S1", ["S1", "S2"], ["1", "2"]),
        ("' OR 1=1 --", None, []),
    ],
)
def test_only_stores_that_may_be_seen_are_searched(store, stores, seen):
    assert ids(search("红烧肉", "menu", store, stores=stores)) == seen


@pytest.mark.parametrize(
    ("since", "until", "seen"),
    [
        (at(2), None, ["2", "3"]),
        (None, at(2), ["1"]),
        (dt.date(2026, 3, 2), dt.date(2026, 3, 3), ["2", "3"]),
        (dt.datetime(2026, 3, 3, 0, 0), None, ["3"]),
        (at(9), None, []),
    ],
)
def test_a_period_is_searched_and_a_date_is_the_whole_of_its_day(since, until, seen):
    assert ids(search("红烧肉", "menu", since=since, until=until)) == seen


def test_the_last_day_that_there_is_is_no_limit():
    assert ids(search("红烧肉", "menu", since=dt.date.min, until=dt.date.max))


def test_one_kind_is_searched():
    assert ids(search("红烧肉", "menu", kind="dine_in")) == ["1", "3"]


def test_by_meaning_what_a_filter_leaves_out_does_not_crowd_out_the_rest(tmp_path, active):
    dinner = [
        Document(id=f"{n}", kind="dinner", title=f"Fish soup {n}", text="a soup with fish")
        for n in range(60)
    ]
    lunch = Document(id="lunch", kind="lunch", title="Chowder", text="clams and mussels")
    active(index_of([*dinner, lunch], table="meals"))

    assert ids(search("fish soup", "menu", kind="lunch")) == ["lunch"]


def test_one_character_finds_the_names_that_have_it():
    assert search("鱼", "menu")[0].id == "4"


def test_an_id_means_nothing():
    assert any("meaning" in hit.why.scores for hit in search("A17 pork", "menu"))
    assert list(search("2026-0117 A17", "menu")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "😀",
        "肉",
        "a",
        '"',
        "'; DROP TABLE menu; --",
        "红烧肉 AND (米饭 OR",
        "*:*",
        "a\0b",
        "\ud83d红",
        "红烧肉" * 3_400,
        "beef " * 2_000,
        "\u202e\u200d\u0301",
    ],
)
def test_whatever_is_asked_there_is_an_answer(text):
    found = search(text, "menu", top_k=3)

    assert len(found) <= 3
    assert found.notices == ()


def test_the_same_question_has_the_same_answer():
    answers = {
        tuple((hit.key, hit.score) for hit in search("红烧肉米饭", "menu")) for _ in range(5)
    }

    assert len(answers) == 1


def test_a_collection_that_nobody_registered_is_named():
    with pytest.raises(CollectionUnknown, match="'mneu'"):
        search("红烧肉", "mneu")


@pytest.mark.parametrize("top_k", [0, -1, 101, True, 2.5, "10"])
def test_a_number_of_hits_out_of_range_is_refused(top_k):
    with pytest.raises(ValueError, match="from 1 to 100"):
        search("红烧肉", "menu", top_k=top_k)


def test_before_anything_is_indexed_the_answer_is_empty_and_says_what_to_do(active):
    active(None)
    IngestedRecord.objects.create(collection="menu", key="S1/1", store_code="S1", data={})

    found = search("红烧肉", "menu")

    assert list(found) == []
    assert "rebuild_index menu" in found.notices[0]


def test_an_index_of_another_model_is_searched_by_words_and_says_so(active, index):
    active(with_(index, embedder=None, notices=("made with another model",)))

    found = search("红烧肉", "menu")

    assert found.notices == ("made with another model",)
    assert found[0].why.names
    assert all("meaning" not in hit.why.scores for hit in found)


def test_a_model_that_cannot_be_asked_is_left_out_and_said(active, index):
    active(with_(index, embedder=Unavailable()))

    found = search("red soup of fish", "menu")

    assert "meant was left out" in found.notices[0]


def test_a_model_is_not_asked_where_a_name_was_found(active, index):
    active(with_(index, embedder=Unavailable()))

    assert search("红烧肉", "menu").notices == ()


def test_a_new_index_that_takes_the_place_of_the_one_asked_is_asked(active, index, monkeypatch):
    answers = iter([with_(index, store=Gone()), index])
    monkeypatch.setattr(asking, "active_index", lambda name: next(answers))

    assert search("fish soup", "menu")


def test_a_table_that_stays_away_is_an_error(active, index):
    active(with_(index, store=Gone()))

    with pytest.raises(TableMissing):
        search("fish soup", "menu")


@pytest.mark.parametrize("text", ["量子力学", "car insurance", "asdfgh", "20261101"])
def test_what_no_record_is_about_finds_nothing_and_is_named(text):
    found = search(text, "menu")

    assert list(found) == []
    assert "".join(found.missing) == text.replace(" ", "")


def test_a_number_that_only_others_are_like_is_missing():
    found = search("订单 1 20261101", "menu")

    assert found.missing == ("20261101",)


@pytest.mark.parametrize("typed", ["hongshaor", "hsr", "hongsr", "hongs r"])
def test_what_a_name_sounds_like_is_not_said_to_be_missing(typed):
    found = search(typed, "menu")

    assert found[0].why.kind == "sounds"
    assert found.missing == ()


def test_the_newest_come_first_where_time_is_asked_for():
    best, newest = (search("红烧肉 米饭", "menu", sort=sort)[0].id for sort in ("best", "time"))

    assert (best, newest) == ("3", "3")
    assert [hit.at for hit in search("红烧肉", "menu", "S1", sort="time")] == [at(2), at(1)]
    with pytest.raises(ValueError, match="best or time"):
        search("红烧肉", "menu", sort="price")


@pytest.mark.parametrize("code", ["\0", "S1\0", "\ud800"])
def test_a_code_that_no_database_holds_finds_nothing(code):
    assert list(search("红烧肉", "menu", code)) == []
    assert list(search("红烧肉", "menu", kind=code)) == []
    assert list(search("红烧肉", "menu", stores=[code])) == []


def test_what_the_database_does_not_have_any_more_is_not_found_and_that_is_told(monkeypatch):
    """As after a restored backup: the index has heard of what came later."""
    monkeypatch.setattr(asking, "present", lambda collection, keys: set(keys) - {"S1/1"})

    found = search("红烧肉", "menu")

    assert "S1/1" not in [hit.key for hit in found]
    assert {"S1/2", "S2/3"} <= {hit.key for hit in found}
    assert "run manage.py rebuild_index menu" in " ".join(found.notices)


def test_of_a_record_that_has_just_gone_nothing_is_told(monkeypatch):
    monkeypatch.setattr(asking, "present", lambda collection, keys: set(keys) - {"S1/1"})
    OutboxEntry.objects.append("menu", ["S1/1"])

    assert search("红烧肉", "menu").notices == ()


def test_those_that_are_gone_leave_their_places_to_others(monkeypatch):
    (first,) = search("红烧肉 米饭", "menu", top_k=1)
    monkeypatch.setattr(asking, "present", lambda collection, keys: set(keys) - {first.key})

    (second,) = search("红烧肉 米饭", "menu", top_k=1)

    assert second.key != first.key
