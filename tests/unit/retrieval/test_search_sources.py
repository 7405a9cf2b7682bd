"""Where the records of the built-in collections are in the database."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from neural.restaurant.models import Dish, Order, OrderLine, OrderState, Shift
from neural.restaurant.models.newest import version_of
from neural.retrieval.collections import registry
from neural.retrieval.collections.registry import collection_of, document_of
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)
DAY = ("2026-11-01", "11月1日")
"""What an order of this day is found by besides its dishes."""


def source(name: str) -> Any:
    return collection_of(name).source


def order(
    number: str, *, at: str = "S1", dishes: tuple[str, ...] = ("面",), **fields: Any
) -> Order:
    fields.setdefault("state", OrderState.PLACED)
    made = Order.objects.create(
        store=world.store(at),
        key=number,
        number=number,
        placed_at=NOON,
        business_day=NOON.date(),
        **fields,
    )
    for position, name in enumerate(dishes, start=1):
        OrderLine.objects.create(
            order=made, position=position, dish=name, quantity=2, price=1, amount=2
        )
    return made


def test_an_order_is_read_with_its_lines():
    order("1001", dishes=("牛肉面", "可乐"))

    (record,) = source("orders").load(["S1/1001"]).values()
    document = document_of("orders", record)

    assert document.key == "S1/1001"
    assert document.names == ("牛肉面", "可乐", *DAY)
    assert "牛肉面 ×2" in document.text
    assert document.at == NOON


def test_an_order_says_what_its_newest_event_says_beside_its_lines():
    lines = [{"name": "牛肉面", "quantity": "1", "price": "8.00", "note": "不要香菜"}]
    event = world.event(payload={"order_id": "7", "lines": lines, "remark": "靠窗"})
    world.event("e1", at="S2", payload={"order_id": "7", "lines": [], "remark": "别家的"})
    order("7", dishes=("牛肉面",), content_version=version_of(event))

    (record,) = source("orders").load(["S1/7"]).values()
    document = document_of("orders", record)

    assert document.names == ("牛肉面", *DAY)
    assert "不要香菜" in document.text
    assert "靠窗" in document.text
    assert "别家的" not in document.text


def test_an_order_whose_event_is_pruned_still_says_its_lines():
    event = world.event(payload=None, pruned_at=timezone.now())
    order("7", dishes=("牛肉面",), content_version=version_of(event))

    (record,) = source("orders").load(["S1/7"]).values()

    assert document_of("orders", record).names == ("牛肉面", *DAY)


def test_an_order_that_only_a_payment_has_named_is_not_searched():
    Order.objects.create(store=world.store(), key="7", state=OrderState.EXPECTED)

    assert source("orders").load(["S1/7"]) == {}
    assert list(source("orders").pages(after="", size=10)) == []


def test_a_number_is_looked_up_in_its_own_store_alone():
    order("1", at="S1")
    order("2", at="S2")

    assert set(source("orders").load(["S1/1", "S1/2", "S2/1"])) == {"S1/1"}


def test_of_stores_that_number_their_orders_alike_no_others_are_read(monkeypatch):
    keys = [f"S{at}/{at}" for at in range(5)]
    for at in range(5):
        for number in range(5):
            order(str(number), at=f"S{at}")
    read: list[str] = []
    monkeypatch.setattr(Order, "from_db", _noting(read))

    assert set(source("orders").load(keys)) == set(source("orders").there(keys)) == set(keys)
    assert sorted(read) == sorted(keys)


def _noting(read: list[str]) -> Any:
    from_db = Order.from_db

    def note(*args: Any) -> Any:
        made = from_db(*args)
        read.append(f"{made.store_id}/{made.key}")
        return made

    return note


def test_many_stores_are_looked_up_in_turn(monkeypatch):
    monkeypatch.setattr(registry, "_STORES_AT_A_TIME", 2)
    for at in range(5):
        order("1", at=f"S{at}")

    keys = [f"S{at}/{number}" for at in range(5) for number in (1, 2)]

    assert set(source("orders").load(keys)) == {f"S{at}/1" for at in range(5)}


@pytest.mark.parametrize("name", ["orders", "events"])
def test_which_records_are_there_is_told_without_loading_them(name):
    order("1")
    event = world.event()
    keys = ["S1/1", "S2/1", "S1/2", f"S1/{event.pk}", f"S2/{event.pk}", "S1/x"]

    assert source(name).there(keys) == set(source(name).load(keys))


def test_an_event_is_not_read_under_another_store():
    event = world.event(at="S1")

    assert source("events").load([f"S2/{event.pk}", "S1/x", "S1/" + "9" * 40]) == {}
    assert set(source("events").load([f"S1/{event.pk}"])) == {f"S1/{event.pk}"}


def test_a_pruned_event_is_gone():
    event = world.event(payload=None, pruned_at=timezone.now())

    assert source("events").load([f"S1/{event.pk}"]) == {}
    assert list(source("events").pages(after="", size=10)) == []


def test_a_dish_is_read_with_what_its_store_says_of_it():
    Dish.objects.create(
        store=world.store(), code="d1", name="鱼香茄子", details={"ingredients": ["茄子"]}
    )

    (record,) = source("dishes").load(["S1/d1"]).values()

    assert "茄子" in document_of("dishes", record).text


def test_a_shift_is_found_by_its_day_in_the_stores_own_time():
    late = dt.datetime(2026, 11, 1, 18, tzinfo=dt.UTC)
    Shift.objects.create(
        store=world.store(),
        code="w1",
        staff_code="7",
        staff_name="王芳",
        starts_at=late,
        ends_at=late + dt.timedelta(hours=4),
    )

    (record,) = source("staff").load(["S1/w1"]).values()

    assert "2026-11-02 02:00" in document_of("staff", record).text


def some_of(name: str) -> None:
    for number in range(7):
        at = f"S{number % 3}"
        if name == "orders":
            order(str(number), at=at)
        elif name == "dishes":
            Dish.objects.create(store=world.store(at), code=str(number), name="面")
        elif name == "staff":
            Shift.objects.create(
                store=world.store(at),
                code=str(number),
                staff_code="7",
                starts_at=NOON,
                ends_at=NOON + dt.timedelta(hours=1),
            )
        else:
            world.event(str(number), at=at)


@pytest.mark.parametrize("name", ["orders", "dishes", "staff", "events"])
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_the_walk_names_every_record_once_and_can_go_on_anywhere(name, size):
    some_of(name)
    found = source(name)

    pages = list(found.pages(after="", size=size))
    keys = [key for page in pages for key in page]

    assert len(keys) == len(set(keys)) == found.count() == 7
    assert set(found.load(keys)) == set(keys)
    for place, page in enumerate(pages):
        rest = [key for each in found.pages(after=page[-1], size=size) for key in each]
        assert rest == [key for later in pages[place + 1 :] for key in later]


def test_a_record_is_seen_on_its_page_in_the_admin():
    made = order("1001")
    event = world.event()

    assert collection_of("orders").address("S1/1001") == world.page_of(made)
    assert collection_of("orders").address("S1/404") == ""
    assert collection_of("events").address(f"S1/{event.pk}") == world.page_of(event)
    assert collection_of("events").address("S1/ingested") == ""


def test_an_address_of_an_apps_own_is_asked_for_each_record():
    class Guests(registry.Rows):
        model = Order

        def address(self, key):
            return f"/guests/{key}"

    guests = registry.SearchCollection(name="g", label="g", document=dict, address=Guests().address)

    assert guests.addresses(["S1/1", "S1/2"]) == {key: f"/guests/{key}" for key in ("S1/1", "S1/2")}


def test_the_pages_of_several_records_take_one_query(django_assert_num_queries):
    made = {key: order(key) for key in ("1001", "1002")}

    with django_assert_num_queries(1):
        found = collection_of("orders").addresses(["S1/1001", "S1/1002", "S1/404"])

    assert found == {f"S1/{key}": world.page_of(each) for key, each in made.items()}
