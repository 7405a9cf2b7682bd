"""Lag: how far the indexes are behind, and what a person must see to."""

import datetime as dt

import pytest
from django.db.models import F
from django.utils import timezone

from neural.retrieval.index import lag as module
from neural.retrieval.index.active import active_index, indexes_read_once
from neural.retrieval.index.lag import Lag, index_lag, index_notices, why_nothing_is_searched
from neural.retrieval.index.rebuilding import open_rebuild, rebuild
from neural.retrieval.models import IndexShard, OutboxEntry, SearchIndex
from neural.retrieval.query import searching
from neural.retrieval.query.looking_up import look_up
from neural.retrieval.query.searching import search
from neural.tasks import index_marked
from tests.unit.retrieval.searching import MemoryStore, forget_collection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on", "fake_broker")]


def to_outbox(*keys, collection="guests", age=0, now=None, **options):
    OutboxEntry.objects.append(collection, keys, **options)
    created_at = (now or timezone.now()) - dt.timedelta(seconds=age)
    OutboxEntry.objects.filter(collection=collection, key__in=keys).update(created_at=created_at)


def test_with_nothing_to_do_there_is_no_lag():
    assert index_lag(now=timezone.now()) == Lag()


def test_it_says_how_many_wait_for_how_long_and_of_what():
    now = timezone.now()
    to_outbox("S1/1", "S1/2", age=90, now=now)
    to_outbox("S1/1", collection="clients", age=30, now=now)
    to_outbox("S1/3", age=120, now=now, history=True)
    OutboxEntry.objects.note_refused("guests", {"S1/9": "bad"})

    lag = index_lag(now=now)

    assert (lag.waiting, lag.refused) == (4, 1)
    assert (lag.oldest_seconds, lag.live_seconds) == pytest.approx((120, 90), abs=0.01)
    of_clients = index_lag(now=now, collection="clients")
    assert (of_clients.waiting, of_clients.refused) == (1, 0)
    assert of_clients.oldest_seconds == pytest.approx(30, abs=0.01)


def test_counting_stops_somewhere(monkeypatch):
    monkeypatch.setattr(module, "COUNTED", 3)
    to_outbox(*(f"S1/{number}" for number in range(9)))

    assert index_lag(now=timezone.now()).waiting == 3


def test_it_says_why_a_shard_waits():
    IndexShard.objects.create(history=False, number=0, trouble="guests: the key is wrong")

    IndexShard.objects.create(history=True, number=0, trouble="guests: the key is wrong")
    IndexShard.objects.create(history=False, number=9, trouble="of a shard that is gone")

    assert index_lag(now=timezone.now()).troubles == ("guests: the key is wrong",)


@pytest.fixture
def index(guests):
    to_outbox(guests.put("1", title="Anna"))
    index_marked(shard=0)
    return SearchIndex.objects.active().get(collection="guests")


def test_of_an_index_that_is_as_the_settings_say_nothing_is_told(index):
    found = active_index("guests")

    assert (found.index, found.notices) == (index, ())
    assert found.embedder is not None
    assert found.has_vectors
    assert index_notices() == {}


def test_for_all_collections_together_the_indexes_are_read_by_one_statement(
    index, django_assert_num_queries
):
    with django_assert_num_queries(1), indexes_read_once():
        for _ in range(2):
            assert active_index("guests").index == index
            assert active_index("dishes") is None

    SearchIndex.objects.update(table="other")
    assert active_index("guests").index.table == "other"


def test_an_index_that_has_been_replaced_meanwhile_is_read_again(guests, index, monkeypatch):
    def after_a_rebuild(looks):
        if SearchIndex.objects.filter(pk=index.pk, state="active").exists():
            rebuild(index_id=open_rebuild("guests").index.pk)
            MemoryStore().drop(index.table)
        return look_up(looks)

    monkeypatch.setattr(searching, "look_up", after_a_rebuild)

    assert [hit.id for hit in search("a window seat", "guests")] == ["1"]


def test_of_a_collection_that_was_never_indexed_there_is_none(guests):
    assert active_index("guests") is None


def test_to_build_an_index_is_advised_only_where_there_is_something_to_find(guests):
    assert why_nothing_is_searched("guests") == ()

    guests.put("1", title="Anna")

    assert "manage.py rebuild_index guests" in why_nothing_is_searched("guests")[0]


def test_of_an_index_in_another_vector_store_it_is_told_where_it_is(index):
    SearchIndex.objects.update(store_kind="elsewhere")

    assert active_index("guests") is None
    assert "The index of guests is in elsewhere" in why_nothing_is_searched("guests")[0]


def test_while_search_is_switched_off_whoever_searches_is_told(index, settings):
    settings.NEURAL = {**settings.NEURAL, "search": False}

    assert "search is switched off" in active_index("guests").notices[0]


def test_another_model_is_told_with_what_to_do_and_meaning_is_left_out(index, settings):
    settings.NEURAL = {**settings.NEURAL, "embedder_options": {"model": "other"}}

    found = active_index("guests")

    assert found.embedder is None
    (notice,) = found.notices
    assert notice == (
        "The index of guests was made with tiny, the settings say other; meaning is left out: "
        "run manage.py rebuild_index guests."
    )
    assert index_notices() == {"guests": (notice,)}


def test_of_the_same_model_with_vectors_of_another_length_the_lengths_are_told(index):
    SearchIndex.objects.update(dimensions=8)

    assert "made with tiny (8), the settings say tiny (16)" in active_index("guests").notices[0]


def test_of_a_collection_that_no_app_registers_any_more_nobody_is_advised_to_rebuild_it(index):
    SearchIndex.objects.update(token_form=0)
    assert index_notices()

    forget_collection("guests")

    assert index_notices() == {}


def test_a_model_that_is_wrongly_set_up_leaves_meaning_out_and_says_so(index, settings):
    settings.NEURAL = {**settings.NEURAL, "embedder": "nobody.knows.It"}

    found = active_index("guests")

    assert found.embedder is None
    assert "Meaning is left out: no embedder 'nobody.knows.It'" in found.notices[0]


def test_an_older_form_of_tokens_is_told(index):
    SearchIndex.objects.update(token_form=0)

    assert "was made by an older release" in active_index("guests").notices[0]


def test_an_index_that_lacks_older_records_says_so(index):
    SearchIndex.objects.update(records_total=F("records_done") + 1234)

    assert "lacks about 1,234 records that are older than it" in active_index("guests").notices[0]


def test_an_index_in_another_store_is_not_searched(index):
    SearchIndex.objects.update(store_kind="another")

    assert active_index("guests") is None
