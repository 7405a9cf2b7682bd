"""Records that are ingested: `index_to_vector_db` and `batch_index_orders`."""

import pytest

import neural
from neural.ledger.work import Snooze
from neural.models import TaskRun
from neural.retrieval.collections import registry
from neural.retrieval.collections.documents import RecordRefused
from neural.retrieval.collections.registry import CollectionUnknown
from neural.retrieval.index import ingesting, writing
from neural.retrieval.models import IngestedRecord, OutboxEntry, SearchIndex
from neural.retrieval.stores.base import StoreUnavailable
from neural.tasks import batch_index_orders, index_to_vector_db
from tests.registries import emptied
from tests.unit.retrieval import searching
from tests.unit.retrieval.searching import MemoryStore, TinyEmbedder, titles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("search_on", "fake_broker")]


def guest(number, **fields):
    return {"id": str(number), "store_id": "S1", "title": f"Guest {number}", **fields}


def order(number, **fields):
    lines = [{"name": "麻婆豆腐", "quantity": 1}]
    return {"id": str(number), "store_id": "S1", "items": lines, **fields}


def active(collection="guests"):
    return SearchIndex.objects.active().get(collection=collection)


def test_one_record_is_searchable_when_the_task_has_ended(guests):
    index_to_vector_db.delay("guests", guest(1))

    neural.run_due()

    run = TaskRun.objects.get()
    assert run.state == "succeeded"
    assert run.result == {"collection": "guests", "indexed": 1, "ids": ["1"]}
    assert titles(active()) == {"S1/1": "Guest 1"}
    assert not OutboxEntry.objects.exists()
    assert IngestedRecord.objects.get().store_code == "S1"


def test_a_list_is_one_embedding_and_one_commit(guests):
    told = index_to_vector_db("guests", [guest(number) for number in range(150)])

    assert (told["indexed"], len(told["ids"])) == (150, 100)
    assert len(TinyEmbedder.calls) == 1
    assert MemoryStore.commits == [(active().table, 150)]


def test_the_same_record_again_replaces_it(guests):
    index_to_vector_db("guests", guest(1))
    index_to_vector_db("guests", [guest(1, title="first"), guest(1, title="last")])

    assert titles(active()) == {"S1/1": "last"}
    assert IngestedRecord.objects.get().data["title"] == "last"


def test_an_unknown_collection_is_a_dead_letter_that_names_it():
    index_to_vector_db.delay("recipes", {"id": "1"})

    neural.run_due()

    run = TaskRun.objects.get()
    assert (run.state, run.failures) == ("dead", 1)
    assert "collection 'recipes' is not registered; known: dishes" in run.error


@pytest.mark.parametrize(
    ("collection", "record", "why"),
    [
        ("orders", {"items": ["米饭"]}, "orders: a record without an id"),
        ("dishes", {"id": "7", "title": "  ", "name": None}, ""),
        ("guests", {"id": "7", "title": ""}, "guests: record '7' has no text"),
        ("orders", "7", "orders: a record is an object with an id, not str"),
        ("orders", {"id": "7", "store_id": "a b", "items": ["米饭"]}, "'a b' is not a store code"),
        ("guests", {"id": "7", "name": "no title"}, "guests: KeyError: 'title'"),
    ],
)
def test_a_record_that_cannot_be_searched_is_refused_and_nothing_is_kept(
    guests, collection, record, why
):
    if not why:
        return  # its id is its title
    good = {"id": "1", "store_id": "S1", "title": "good", "items": ["米饭"]}

    with pytest.raises(RecordRefused, match=why):
        index_to_vector_db(collection, [good, record])

    assert RecordRefused.permanent
    assert not IngestedRecord.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_a_store_that_nobody_registered_may_be_named(guests):
    index_to_vector_db("guests", guest(1, store_id="NEW"))

    assert titles(active()) == {"NEW/1": "Guest 1"}


def test_a_record_of_no_store_has_none(guests):
    index_to_vector_db("guests", {"id": "1", "title": "Everybody's"})

    assert titles(active()) == {"/1": "Everybody's"}


def test_while_the_store_is_away_the_run_is_tried_again_and_the_record_is_kept(guests):
    MemoryStore.fails.append(StoreUnavailable("away"))
    index_to_vector_db.delay("guests", guest(1))

    neural.run_due()

    run = TaskRun.objects.get()
    assert (run.state, run.failures) == ("pending", 1)
    assert IngestedRecord.objects.exists()
    assert OutboxEntry.objects.waiting().exists()


def test_what_cannot_be_kept_as_json_says_so(guests):
    with pytest.raises(Exception, match="record '1'"):
        index_to_vector_db("guests", guest(1, note="a\x00b"))

    with pytest.raises(CollectionUnknown):
        index_to_vector_db("nobody", [])


# Orders in batches


def test_good_orders_are_in_and_each_other_says_why():
    orders = [order(1), {"items": ["米饭"]}, "rubbish", order(2), order(3, store_id="a/b")]
    batch_index_orders.delay(orders)

    neural.run_due()

    run = TaskRun.objects.get()
    assert run.queue == "low_priority"
    assert (run.state, run.result["indexed"], run.result["failed_count"]) == ("succeeded", 2, 3)
    assert set(titles(active("orders"))) == {"S1/1", "S1/2"}
    places = [(each["position"], each["id"]) for each in run.result["failed"]]
    assert places == [(1, None), (2, None), (4, "3")]
    reasons = [each["reason"] for each in run.result["failed"]]
    assert "without an id" in reasons[0]
    assert "not str" in reasons[1]
    assert "'a/b' cannot be the code of a store" in reasons[2]


def _trips_over(monkeypatch, title):
    tokens_of = writing.tokens_of
    odd = lambda document: 1 / 0 if document.title == title else tokens_of(document)  # noqa: E731
    monkeypatch.setattr(writing, "tokens_of", odd)


@pytest.mark.parametrize("others", [2, 0])
def test_an_order_that_no_code_foresaw_is_told_and_the_others_are_in(monkeypatch, others):
    _trips_over(monkeypatch, "0")

    told = batch_index_orders([order(number) for number in range(1 + others)])

    assert told == {
        "indexed": others,
        "failed_count": 1,
        "failed": [{"position": 0, "id": "0", "reason": "ZeroDivisionError: division by zero"}],
    }
    assert OutboxEntry.objects.get().key == "S1/0"


def test_a_record_that_no_code_foresaw_is_a_dead_letter_and_not_tried_for_ever(guests, monkeypatch):
    _trips_over(monkeypatch, "Guest 1")
    index_to_vector_db.delay("guests", [guest(1), guest(2)])

    neural.run_due()

    run = TaskRun.objects.get()
    assert run.state == "dead"
    assert "S1/1: ZeroDivisionError" in run.error


def test_a_long_list_is_done_in_slices(settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 2, "index_run_seconds": 1e-6}
    batch_index_orders.delay([*map(order, range(4)), {"no": "id"}])

    for _ in range(4):
        neural.run_due()

    run = TaskRun.objects.get()
    assert (run.state, run.result["indexed"]) == ("succeeded", 4)
    assert run.result["failed"][0]["position"] == 4
    assert len(MemoryStore.commits) == 2


def test_failures_are_counted_all_and_listed_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(ingesting, "MOST_FAILURES", 3)

    told = batch_index_orders([{"no": "id"}] * 10)

    assert (told["indexed"], told["failed_count"], len(told["failed"])) == (0, 10, 3)


def test_where_no_app_has_orders_none_is_asked_for_its_reason(monkeypatch):
    registry.collection_of("orders")

    with (
        emptied(registry.COLLECTIONS),
        pytest.raises(CollectionUnknown, match="'orders' is not registered"),
    ):
        batch_index_orders([order(1)])


@pytest.mark.parametrize("orders", [{"id": "1"}, "orders", None])
def test_what_is_no_list_of_orders_is_refused(orders):
    with pytest.raises(RecordRefused, match="must be a list of orders"):
        batch_index_orders(orders)


def test_outside_of_a_run_it_does_not_put_itself_off(settings):
    settings.NEURAL = {**settings.NEURAL, "index_batch": 1, "index_run_seconds": 1e-6}
    try:
        told = batch_index_orders([order(1), order(2)])
    except Snooze:
        pytest.fail("called as a function it must end")

    assert told["indexed"] == 2
    assert searching.titles(active("orders")).keys() == {"S1/1", "S1/2"}
