"""What of a record is searched and kept."""

import datetime as dt
import sys
from dataclasses import replace
from decimal import Decimal

import pytest

from neural.kit.registry import AlreadyRegistered
from neural.restaurant import documents
from neural.restaurant.models import Order
from neural.retrieval import neural_collections
from neural.retrieval.checks import check_collections
from neural.retrieval.collections import documents as collected
from neural.retrieval.collections import registry
from neural.retrieval.collections.documents import (
    Document,
    RecordRefused,
    bounded,
    check,
    parts_of,
)
from neural.retrieval.collections.registry import CollectionUnknown, permission_of
from neural.retrieval.collections.trade import codes_called
from neural.retrieval.index.fields import tokens_of
from tests import probe
from tests.unit.retrieval.searching import forget_collection


@pytest.mark.parametrize(
    ("rating", "called"),
    [(1, "差评"), (2, "complaint"), (3, ""), (4, "好评"), (5, "praise"), (None, "投诉")],
)
def test_a_review_is_called_what_its_rating_says(rating, called):
    review = {"type": "feedback.received", "event_id": "f-1", "payload": {"rating": rating}}

    also = neural_collections.document(review).also

    assert "评价" in also
    assert {"差评", "complaint", "投诉", "好评", "praise"}.intersection(also) >= {called} - {""}
    assert ("差评" in also) == (rating in (1, 2, None))
    assert ("好评" in also) == (rating in (4, 5))


def test_an_order_is_named_by_its_dishes_and_titled_by_its_number():
    document = documents.order(
        {"id": "1001", "store_id": "S01", "lines": [{"name": "牛肉面", "quantity": "2"}, "可乐"]}
    )

    assert (document.id, document.store, document.title) == ("1001", "S01", "1001")
    assert document.names == ("牛肉面", "可乐")
    assert "牛肉面 ×2" in document.text


def test_what_was_noted_on_an_order_or_a_line_is_searched():
    document = documents.order(
        {"order_id": 7, "items": [{"title": "面", "note": "不要辣"}], "table": {"remark": "靠窗"}}
    )

    assert "不要辣" in document.text
    assert "靠窗" in document.text


def test_a_dish_leads_with_the_first_sentence_of_its_description():
    document = documents.dish(
        {"id": "a/b", "title": "鱼香茄子", "description": "下饭。要油。", "ingredients": ["茄子"]}
    )

    assert document.title == "鱼香茄子"
    assert document.lead == "下饭。"
    assert "茄子" in document.text


def test_a_shift_is_titled_by_who_works():
    document = documents.shift({"id": "w1", "staff_name": "王芳", "role": "cook"})

    assert document.title == "王芳"
    assert document.kind == "cook"


def test_an_event_says_whatever_its_payload_says():
    document = neural_collections.document(
        {
            "id": "42",
            "type": "feedback.received",
            "event_id": "f-1",
            "occurred_at": "2026-11-01T10:00:00+08:00",
            "payload": {"text": "上菜慢", "order": [{"dish": "炒饭"}], "rating": 2},
        }
    )

    assert document.title == "feedback.received f-1"
    assert document.kind == "feedback.received"
    assert document.names == ("炒饭",)
    assert "上菜慢" in document.text
    assert document.at == dt.datetime(2026, 11, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize("collection", ["orders", "dishes", "staff", "events"])
def test_a_record_without_an_id_is_refused_by_name(collection):
    with pytest.raises(RecordRefused, match=rf"^{collection}: a record without an id"):
        registry.document_of(collection, {"title": "面", "lines": ["面"]})


def test_a_record_without_words_is_refused_by_its_id():
    registry.register_collection(
        registry.SearchCollection(
            name="bare", label="bare", document=lambda record: Document(id="7", title=" ")
        )
    )
    try:
        with pytest.raises(RecordRefused, match="bare: record '7' has no text"):
            registry.document_of("bare", {})
    finally:
        forget_collection("bare")


def test_an_unknown_collection_is_refused_with_those_that_are_known():
    known = "known: dishes, errors, events"
    with pytest.raises(CollectionUnknown, match=f"'menus' is not registered; {known}"):
        registry.document_of("menus", {"id": "1"})


@pytest.fixture
def collections_of_an_app(tmp_path, monkeypatch):
    """What an installed app's module registers, found anew."""

    def written(text):
        (tmp_path / "spare_collections.py").write_text(text)
        monkeypatch.setattr(probe, "__path__", [*probe.__path__, str(tmp_path)])
        monkeypatch.setattr(registry, "MODULE", "spare_collections")
        registry._discover.cache_clear()

    registry.collections()  # those of others are there
    yield written
    forget_collection("guests")
    sys.modules.pop("tests.probe.spare_collections", None)
    registry._discover.cache_clear()


def test_an_installed_apps_collections_are_found_when_search_first_needs_one(collections_of_an_app):
    collections_of_an_app(GUESTS)

    assert registry.collection_of("guests").label == "guests"
    assert check_collections() == []


def test_a_collection_that_two_apps_claim_is_told_at_start(collections_of_an_app):
    collections_of_an_app(GUESTS.replace("guests", "orders"))

    (error,) = check_collections()

    assert error.id == "neural.E005"
    assert "orders" in error.msg
    assert "neural_collections.py" in error.hint


GUESTS = """
import neural

neural.register_collection(
    neural.SearchCollection(name="guests", label="guests", document=lambda record: record)
)
"""


def test_a_collection_needs_the_permission_to_see_the_rows_that_it_holds():
    needed = {each.name: each.permission for each in registry.collections()}

    assert needed["orders"] == permission_of(Order)
    assert needed["events"] == "neural.view_neuralevent"


def test_a_collection_is_registered_once():
    with pytest.raises(AlreadyRegistered, match="collection 'orders' is registered already"):
        registry.register_collection(replace(registry.collection_of("orders")))


@pytest.mark.parametrize("store", ["S/1", "x" * 65])
def test_what_cannot_be_a_store_is_refused(store):
    with pytest.raises(RecordRefused, match="cannot be the code of a store"):
        registry.document_of("orders", {"id": "1", "store_id": store, "lines": ["面"]})


def test_an_id_that_is_too_long_is_refused():
    with pytest.raises(RecordRefused, match="over 200 characters"):
        registry.document_of("dishes", {"id": "x" * 201, "title": "面"})


def test_what_no_database_keeps_is_left_out():
    document = documents.dish({"id": "1", "title": "鱼\x00香\ud800肉丝"})

    assert document.title == "鱼香肉丝"


@pytest.mark.parametrize("value", [None, True, [], {}, {"a": None}, object()])
def test_values_that_say_nothing_break_nothing(value):
    document = documents.order({"id": "1", "lines": value or [value], "extra": value})

    assert document.id == "1"


def test_a_key_is_taken_apart_at_the_first_slash():
    document = Document(id="aquatic/鱼", store="S01", title="鱼")

    assert parts_of(document.key) == ("S01", "aquatic/鱼")


def test_names_numbers_and_ids_alone_have_no_meaning():
    one = documents.order({"id": "1", "lines": [{"name": "拉面", "quantity": 2}, {"name": "鱼汤"}]})
    other = documents.order(
        {"id": "2", "lines": [{"name": "鱼汤", "quantity": 1}, {"name": "拉面"}]}
    )
    event = neural_collections.document(
        {
            "id": "9",
            "type": "order.created",
            "event_id": "till-77",
            "payload": {
                "order_id": "2",
                "lines": [{"name": "拉面", "price": "8.00"}, {"dish": "鱼汤"}],
            },
        }
    )

    assert one.meaning == other.meaning == event.meaning == ""


def test_what_is_meant_leaves_out_words_with_digits():
    document = neural_collections.document(
        {
            "id": "1",
            "type": "feedback.received",
            "data": {"text": "order A-17 等了40分钟", "rating": 2},
        }
    )

    assert document.meaning == "order  等了分钟"


# What of it is kept: nothing that a store or a page could not take


def _document(**said) -> Document:
    return Document(**{"id": "1", "title": "麻婆豆腐", **said})


def test_an_ordinary_record_is_kept_as_it_is() -> None:
    document = documents.dish(
        {"id": "1", "title": "麻婆豆腐", "description": "辣", "category": "川"}
    )

    assert bounded(document) == document


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_some_zone_does_not_have_is_none(at: str) -> None:
    assert bounded(documents.order({"id": "1", "items": ["粥"], "placed_at": at})).at is None


def test_a_time_without_a_zone_is_an_error_of_the_record() -> None:
    with pytest.raises(TypeError):
        bounded(_document(at=dt.datetime(2026, 1, 1)))


def test_a_record_of_any_length_is_cut_to_what_is_searched() -> None:
    long = "".join(map(chr, range(0x4E00, 0x9F00))) * 5

    kept = bounded(_document(title=long, names=[long, *map(str, range(999))], text=long, kind=long))

    assert kept.title == long[: collected.LONGEST_NAME]
    assert kept.names[0] == kept.title
    assert len(kept.names) == collected.MOST_NAMES
    assert len(kept.text) == collected.LONGEST_TEXT
    assert len(kept.kind) == collected.LONGEST_KIND
    assert len(tokens_of(kept)) < 50_000


def test_names_are_kept_while_all_together_are_not_too_long() -> None:
    kept = bounded(_document(names=["名" * 200] * 100))

    assert sum(map(len, kept.names)) == collected.LONGEST_NAMES


def test_what_no_database_keeps_becomes_a_space() -> None:
    kept = bounded(_document(title="麻\0婆", names=("\ud800豆",), kind="\udfff", text="a\0"))

    assert (kept.title, kept.names, kept.kind, kept.text) == ("麻 婆", (" 豆",), " ", "a ")


@pytest.mark.parametrize("own", [{"id": "a\0"}, {"id": "\ud800"}, {"store": "\0"}])
def test_an_id_that_no_database_keeps_is_refused(own: dict[str, str]) -> None:
    with pytest.raises(RecordRefused, match="guests"):
        check(_document(**own), collection="guests")


def test_what_a_record_is_called_by_and_its_numbers_are_found_as_words() -> None:
    kept = bounded(_document(also=("退款", "refund\0"), numbers=("A-17", *map(str, range(999)))))

    assert kept.also == ("退款", "refund ")
    assert len(kept.numbers) == collected.MOST_NAMES
    assert {"退款", "refund", "a", "17"} <= tokens_of(kept)


def test_facts_are_kept_if_a_column_can_hold_them() -> None:
    said = {"state": "x" * 300, "amount": Decimal("46.00"), "guests": 0, "table": ""}
    unkept = {"huge": 10**15, "nothing": Decimal("NaN")}

    kept = bounded(_document(facts={**said, **unkept}))

    assert kept.facts == {"state": "x" * 200, "amount": Decimal("46.00"), "guests": 0}
    many = bounded(_document(facts={str(number): number for number in range(99)}))
    assert len(many.facts) == collected.MOST_FACTS


@pytest.mark.parametrize("amount", ["1e9999999", "-1e9999999", "1.5e-9999999", "NaN", "9" * 4301])
def test_an_event_of_an_amount_that_nothing_costs_is_indexed_without_it(amount: str) -> None:
    record = {"id": "1", "store": "S", "type": "t", "event_id": "e", "payload": {"total": amount}}

    kept = bounded(neural_collections.document(record))

    assert "amount" not in kept.facts
    assert "t" in tokens_of(kept)


# What a record is, is in it


def test_an_order_is_called_by_its_state_and_channel_in_both_languages() -> None:
    said = {"id": "1", "lines": ["面"], "state": "cancelled", "channel": "dine_in", "table": "A12"}

    order = documents.order({**said, "settled": "refunded", "total": "46.00"})

    assert {"退单", "canceled", "堂食", "eat in", "退款", "refund"} <= set(order.also)
    assert {"A12", "46.00", "46"} <= set(order.numbers)
    facts = {"state": "cancelled", "payment": "refunded", "channel": "dine_in", "table": "A12"}
    assert order.facts == {**facts, "amount": Decimal("46.00")}


def test_codes_and_a_word_or_two_mean_nothing_for_they_would_be_near_to_anything() -> None:
    payload = {"tender": "cash", "currency": "CNY", "note": "long long wait", "path": "S1/a.b"}

    paid = neural_collections.document({"id": "1", "type": "x.y", "payload": payload})
    short = neural_collections.document({"id": "2", "type": "x.y", "payload": {"note": "找零"}})

    assert (paid.meaning, short.meaning) == ("long long wait", "")
    assert ("cash" in paid.text, short.text) == (True, "找零")


def test_an_event_is_called_by_its_type_in_both_languages() -> None:
    low = {"id": "1", "type": "inventory.low", "event_id": "e-7", "payload": {"item": "牛肉"}}
    paid = {"tender": "wechat", "amount": "46.00", "at": "2026-11-01T12:00:00Z", "quantity": 2}

    stock = neural_collections.document(low)
    refund = neural_collections.document(
        {"id": "2", "type": "payment.refunded", "event_id": "p-1", "payload": paid}
    )

    assert {"缺货", "out of stock"} <= set(stock.also)
    assert {"退款", "refund", "微信"} <= set(refund.also)
    assert refund.numbers == ("p-1", "46.00", "46")
    assert refund.facts == {
        "type": "payment.refunded",
        "tender": "wechat",
        "amount": Decimal("46.00"),
    }


def test_a_payload_that_is_a_list_is_searched_like_any_other() -> None:
    event = neural_collections.document({"id": "1", "type": "x.y", "data": [{"name": "面"}, 46]})

    assert (event.names, event.numbers, event.facts) == (("面",), ("46",), {"type": "x.y"})


def test_a_record_is_found_by_what_its_store_is_called() -> None:
    said = {"id": "1", "store_id": "S03", "title": "面"}

    named = registry.document_of("dishes", said, stores={"S03": "Riverside", "S04": "Hill"})

    assert named.also == ("S03", "S03店", "Riverside")
    assert registry.document_of("dishes", {"id": "1", "title": "面"}).also == ()


@pytest.mark.parametrize(
    ("word", "codes"), [("refunded", ("refunded",)), ("退款", ("refunded",)), ("nothing", ())]
)
def test_a_word_stands_for_the_codes_that_are_called_so(word: str, codes: tuple[str, ...]) -> None:
    assert codes_called(word, ("paid", "refunded")) == codes
