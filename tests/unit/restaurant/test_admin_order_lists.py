"""The lists of orders and payments: what a person looks for is found, among a million rows too."""

import datetime as dt
import random
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.utils import timezone

from neural.kit.keyset import bounded
from neural.models import Store
from neural.restaurant.models import Order, OrderStatus, Payment
from tests.unit.admin import admin_world as world
from tests.unit.pages.plans import read
from tests.unit.restaurant.history import Reporter, at, line

pytestmark = pytest.mark.django_db

DAY = "2026-03-02"
STATES = [
    ("placed", ""),
    ("placed", "closed"),
    ("placed", "merged"),
    ("placed", "open"),
    ("expected", ""),
    ("expected", "preparing"),
    ("cancelled", ""),
    ("cancelled", "open"),
    ("cancelled", "cancelled"),
    ("cancelled", "voided"),
]


def made(key: str, store: str = "S1", **fields: Any) -> Order:
    values = {"number": key, "placed_at": timezone.now(), "business_day": dt.date(2026, 3, 2)}
    return Order.objects.create(store=world.store(store), key=key, **values | fields)


def shown(query: str, client: Any = None, model: str = "order") -> list[str]:
    address = f"{world.list_of(model)}?{query}"
    return [
        str(row) for row in (client or world.superuser()).get(address).context["cl"].result_list
    ]


def test_a_status_finds_the_orders_that_are_shown_with_it() -> None:
    for number, (state, status) in enumerate(STATES):
        made(str(number), state=state, status=status)
    orders = list(Order.objects.order_by("-pk"))
    client = world.superuser()

    for status in OrderStatus.values:
        expected = [str(order) for order in orders if order.display_status == status]
        assert shown(f"status={status}", client) == expected, status
    assert shown("status=open", client) == ["3", "2", "0"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("channel=delivery", {"channel": "delivery"}),
        ("unsettled=1", {"unsettled": True}),
        ("differs=1", {"adds_up": False}),
        ("twice=1", {"given_twice": True}),
        ("late=1", {"late_change": True}),
        ("apart=1", {"state": "expected"}),
        ("store=S2", {"store": "S2"}),
        ("store=S1&day=2026-03-09", {"business_day": dt.date(2026, 3, 9)}),
    ],
)
def test_each_filter_finds_what_it_names(query: str, fields: dict[str, Any]) -> None:
    made("other", state="placed")
    made("wanted", **{"state": "placed", **fields})

    assert shown(query) == ["wanted"]


def test_a_filter_with_a_value_of_no_meaning_filters_nothing() -> None:
    made("a", state="placed")

    for query in ("unsettled=0", "differs=x", "unsettled=x&store=S1"):
        assert shown(query) == ["a"], query


@pytest.mark.parametrize("name", ["unsettled", "differs", "twice"])
@pytest.mark.parametrize("own", [(), ("S1",), ("S1", "S2")], ids=str)
@pytest.mark.parametrize("more", ["", "&store=S1", "&store=S1&day=2026-03-02", "&status=closed"])
def test_what_a_person_should_look_at_is_paged_without_gap_or_overlap(
    name: str, own: tuple[str, ...], more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 20)
    monkeypatch.setattr(admin.site._registry[Order], "list_per_page", 4)
    chance = random.Random(3)
    for number in range(60):
        odd = chance.random() < 0.3
        flags = {"unsettled": odd, "adds_up": not odd, "given_twice": odd}
        status = chance.choice(["open", "closed"])
        made(str(number), chance.choice(["S1", "S2", "S3"]), state="placed", status=status, **flags)
    stores = [world.store(code) for code in own]
    client = world.client_of("view_order", stores=stores)

    found, address = [], world.list_of("order")
    page = client.get(f"{address}?{name}=1{more}").context["cl"]
    while True:
        found += [row.key for row in page.result_list]
        if page.older_url is None:
            break
        page = client.get(address + page.older_url).context["cl"]

    expected = Order.objects.filter(unsettled=True).order_by("-pk")
    expected = expected.filter(store__in=own) if own else expected
    expected = expected.filter(store="S1") if "store" in more else expected
    expected = expected.filter(status="closed") if "status" in more else expected
    assert found == [order.key for order in expected]
    assert found


def test_an_order_is_found_by_number_key_and_store() -> None:
    made("/T1/2026-03-01/A-17", number="A-17")
    made("other", "S2", state="placed")

    for term in ("A-17", "/T1/2026-03-01/A-17", "S1"):
        assert shown(f"q={term}") == ["A-17"], term


def test_a_list_has_the_columns_that_tell_orders_apart() -> None:
    reporter = Reporter(world.store("S1"))
    told = {"till": "T9", "day": DAY, "channel": "dine_in", "currency": "JPY", "status": "ready"}
    reporter.report(
        "order.stated", at(0), order_id="A-17", lines=[line(price=700)], total=800, **told
    )

    page = world.superuser().get(world.list_of("order")).content.decode()

    for text in ("A-17", "T9", "dine-in", "ready", "800 <small>JPY", "does not add up", "03-02"):
        assert text in page, text
    assert '<strong class="neural-owed">800</strong>' in page


def test_payments_are_found_by_reference_key_order_store_day_and_status() -> None:
    reporter = Reporter(world.store("S1"))
    for number, status in (("1", "completed"), ("2", "pending")):
        reporter.report(
            "payment.stated",
            at(0),
            till="T1",
            order_id=f"o{number}",
            payment_id=f"p{number}",
            amount=number,
            business_day=f"2026-03-0{number}",
            status=status,
        )

    for query in ("q=p2", "q=/T1/p2", "q=o2", "store=S1&day=2026-03-02", "status=pending"):
        assert shown(query, model="payment") == ["payment p2"], query
    assert shown("q=S1", model="payment") == ["payment p2", "payment p1"]


def test_a_payments_page_shows_all_that_is_stated_of_it() -> None:
    reporter = Reporter(world.store("S1"))
    reporter.report(
        "payment.stated",
        at(0),
        order_id="1",
        payment_id="p",
        amount="27",
        currency="CNY",
        tender="wechat",
        tip="3",
        given="40",
        fee="0.25",
        settled=True,
        paid_amount="4.10",
        paid_currency="USD",
    )

    page = world.superuser().get(world.page_of(Payment.objects.get())).content.decode()

    for text in ("27.00", "WeChat Pay", "3.00", "40.00", "10.00", "0.25", "4.10 USD", "completed"):
        assert text in page, text


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite keeps no such statistics")
def test_among_many_orders_a_list_reads_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_ROWS", 20)
    stores = [world.store(code) for code in ("S1", "S2", "S3")]
    Order.objects.bulk_create(
        Order(
            store_id="S2" if number < 30 else "S1",
            key=str(number),
            unsettled=number < 30,
            adds_up=number >= 30,
            placed_at=timezone.now(),
            business_day=dt.date(2026, 1, 1) + dt.timedelta(days=number // 10),
        )
        for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_order, neural_store")

    for own in ([], stores[1:2], stores):
        client = world.client_of("view_order", stores=own, name=f"user{len(own)}")
        for query in (
            "",
            "unsettled=1",
            "differs=1",
            "unsettled=1&store=S1",
            "unsettled=1&store=S2",
            "late=1",
            "apart=1&store=S1",
            "status=closed",
            "channel=delivery",
            "store=S2&day=2026-01-02",
        ):
            asked = most_read(client, f"{world.list_of('order')}?{query}")
            assert asked < 100, (own, query)


def most_read(client: Any, address: str) -> int:
    """By the worst of a page's statements, each planned as it was when the page asked."""
    reads = [0]
    for statement in world.statements(client, address):
        if "set_config" in statement:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        elif '"neural_order"' in statement:
            reads.append(read(statement))
    return max(reads)


# A store's page


def form_of(client: Any, store: Store) -> dict[str, Any]:
    form = client.get(world.page_of(store)).context["adminform"].form
    return {name: form[name].value() or "" for name in form.fields if name != "operators"}


def saved(store: Store, since: str) -> str:
    """What the store's page says when this day is saved; empty if it is saved."""
    client = world.superuser()
    answer = client.post(
        world.page_of(store), form_of(client, store) | {"daily_tickets_since": since}
    )
    return "" if answer.status_code == 302 else answer.content.decode()


def test_daily_tickets_begin_after_the_last_order_whose_key_has_no_day() -> None:
    store = world.store("S1")
    made("17", business_day=dt.date(2026, 3, 2))
    made("/T1/18", business_day=dt.date(2026, 3, 7))
    made("//2026-03-08/19", business_day=dt.date(2026, 3, 8))
    made("20", "S2", business_day=dt.date(2026, 3, 9))

    refused = saved(store, "2026-03-02")
    assert "The earliest day is 2026-03-03." in refused
    assert "count twice" in refused
    store.refresh_from_db()
    assert store.daily_tickets_since is None

    assert saved(store, "2026-03-03") == ""
    store.refresh_from_db()
    assert store.daily_tickets_since == dt.date(2026, 3, 3)


def test_a_day_that_is_so_already_keeps_no_one_from_saving_and_may_be_cleared() -> None:
    store = world.store("S1")
    Store.objects.update(daily_tickets_since=dt.date(2026, 3, 1))
    made("17", business_day=dt.date(2026, 3, 2))

    assert saved(store, "2026-03-01") == ""
    assert saved(store, "") == ""
    assert "The earliest day is 2026-03-03." in saved(store, "2026-03-01")


def test_daily_tickets_end_or_begin_later_only_where_no_order_has_its_day() -> None:
    store = world.store("S1")
    Store.objects.update(daily_tickets_since=dt.date(2026, 3, 1))
    made("//2026-03-05/19", business_day=dt.date(2026, 3, 5))
    made("/T1/2026-03-02/19", business_day=dt.date(2026, 3, 2))

    for later in ("", "2026-03-06"):
        refused = saved(store, later)
        assert "The latest day is 2026-03-05." in refused
    store.refresh_from_db()
    assert store.daily_tickets_since == dt.date(2026, 3, 1)

    assert saved(store, "2026-03-05") == ""


def test_who_may_only_look_at_stores_sees_the_day() -> None:
    store = world.store("S1")
    Store.objects.update(daily_tickets_since=dt.date(2026, 3, 1))

    page = world.client_of().get(world.page_of(store)).content.decode()

    assert "Daily tickets since" in page
    assert 'name="daily_tickets_since"' not in page
