"""What the first version leaves out of its rows is filled, while its workers go on."""

import datetime as dt
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from neural.models import Store
from neural.restaurant import filling
from neural.restaurant.filling import fill_orders, fill_payments, restore_keys
from neural.restaurant.models import Order, Payment
from neural.restaurant.models.newest import version_of
from tests.unit.history import Reporter, at, record

pytestmark = pytest.mark.django_db

NIGHT = dt.datetime(2026, 3, 2, 2, 30, tzinfo=dt.UTC)


@pytest.fixture
def store() -> Store:
    """A store in which 2.30 UTC is 3.30 at night, still the day before."""
    return Store.objects.create(code="S01", time_zone="Europe/Paris", day_ends_at=dt.time(4))


def execute(statement: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def old_order(number: str, *, total: str = "36", paid: str = "36", state: str = "placed") -> None:
    """As a worker of the first version writes it, with the columns that it knows."""
    execute(
        "INSERT INTO neural_order (store_id, number, state, placed_at, business_day, total, paid,"
        " content_version) VALUES ('S01', %s, %s, %s, '2026-03-02', %s, %s, %s)",
        *(number, state, NIGHT, total, paid, b"1"),
    )


def old_payment(reference: str) -> None:
    order = Order.objects.values_list("pk", flat=True)[0]
    execute(
        "INSERT INTO neural_payment (store_id, kind, reference, order_id, amount, occurred_at)"
        " VALUES ('S01', 'payment', %s, %s, 36, %s)",
        *(reference, order, NIGHT),
    )


def fill() -> tuple[int, int]:
    return (
        fill_orders(Order, using=connection.alias),
        fill_payments(Payment, lambda code: Store.objects.get(pk=code), using=connection.alias),
    )


def rows() -> list[dict]:
    return [*Order.objects.order_by("pk").values(), *Payment.objects.order_by("pk").values()]


def test_an_order_gets_its_number_its_sums_and_whether_it_is_settled(store):
    old_order("A-17")
    old_order("A-18", paid="0")
    old_order("A-19", paid="0", state="cancelled")

    assert fill() == (3, 0)

    paid, owed, cancelled = Order.objects.order_by("pk")
    assert (paid.key, paid.number, paid.items, paid.unsettled) == ("A-17", "A-17", 36, False)
    assert (owed.number, owed.unsettled) == ("A-18", True)
    assert (cancelled.number, cancelled.unsettled) == ("A-19", False)


def test_a_payment_gets_its_id_and_the_business_day_of_its_store(store):
    old_order("A-17")
    old_payment("P-1")

    assert fill() == (1, 1)

    payment = Payment.objects.get()
    assert (payment.key, payment.reference) == ("P-1", "P-1")
    assert payment.business_day == dt.date(2026, 3, 1)


def test_slashes_and_percent_signs_are_written_as_keys_now_write_them(store):
    old_order("/7")
    old_order("%5")
    old_payment("/1")

    fill()

    assert list(Order.objects.order_by("pk").values_list("key", "number")) == [
        ("%2F7", "/7"),
        ("%255", "%5"),
    ]
    assert Payment.objects.values_list("key", "reference").get() == ("%2F1", "/1")


def test_a_row_whose_new_key_is_taken_meanwhile_keeps_its_own(store):
    old_order("/7")
    Order.objects.create(store=store, key="%2F7", number="/7")

    fill()

    assert list(Order.objects.order_by("pk").values_list("key", "number")) == [
        ("/7", "/7"),
        ("%2F7", "/7"),
    ]


def test_more_rows_than_a_slice_are_all_filled(store, monkeypatch):
    monkeypatch.setattr(filling, "SLICE", 2)
    for number in range(5):
        old_order(f"A-{number}")
    told: list[int] = []

    assert fill_orders(Order, using=connection.alias, progress=told.append) == 5

    assert told == [2, 2, 2]
    assert not Order.objects.filter(number="").exists()


def test_filling_again_changes_nothing(store):
    for number in ("A-17", "/7"):
        old_order(number, paid="0")
    old_payment("/1")
    fill()
    before = rows()

    assert fill() == (0, 0)

    assert rows() == before


@pytest.mark.parametrize("cents", range(1, 60))
def test_sums_that_floats_cannot_hold_add_up_and_are_left_alone(store, cents):
    """SQLite calculates with floats."""
    amount, charge = Decimal(cents) / 100, Decimal("2.3")
    bill = [{"kind": "discount", "amount": "0.9"}, {"kind": "charge", "amount": "2.3"}]
    lines = [{"dish": "tea", "quantity": 1, "price": str(24 + amount)}]
    reporter = Reporter(store)
    reporter.report("order.stated", order_id="A-17", lines=lines, bill=bill)
    paid = 24 + amount - Decimal("0.9") + charge
    reporter.report("payment.stated", order_id="A-17", payment_id="P", amount=str(paid))
    before = rows()

    assert fill() == (0, 0)

    assert rows() == before
    assert not Order.objects.get().unsettled


def test_rows_that_others_hold_all_the_time_are_told(store, monkeypatch):
    old_order("A-17")
    monkeypatch.setattr(filling, "PAUSES", (0, 0))
    monkeypatch.setattr(filling, "_held", lambda rows, *fields: [])

    old_payment("P-1")

    with pytest.raises(CommandError) as caught:
        call_command("fill_orders", stderr=StringIO())

    for table in ("neural_order", "neural_payment"):
        assert f"{table}: other transactions hold rows in 1 slices" in str(caught.value)


def test_what_the_first_version_restates_after_the_filling_adds_up_again(store):
    old_order("A-17")
    fill()
    Order.objects.update(charges=4, total=40, bill=[{"kind": "charge", "amount": "4"}])
    execute("UPDATE neural_order SET total = 50")  # as a worker of the first version restates it

    assert fill() == (1, 0)

    order = Order.objects.get()
    assert (order.items, order.charges, order.bill) == (50, 0, [])
    assert (order.difference, order.unsettled) == (Decimal(0), True)


def test_what_the_first_version_settles_after_the_filling_is_settled(store):
    old_order("A-17", paid="0")
    fill()
    execute("UPDATE neural_order SET paid = 36")

    assert fill() == (1, 0)

    assert not Order.objects.get().unsettled


def test_an_order_that_a_newer_worker_changes_first_is_filled_by_it(store):
    old_order("A-17")

    Reporter(store).report("order.status_changed", order_id="A-17", status="ready")

    order = Order.objects.get()
    assert (order.number, order.items, order.status) == ("A-17", 36, "ready")
    assert fill() == (0, 0)


def test_a_cancellation_by_the_first_version_outranks_an_older_status(store):
    reporter = Reporter(store)
    lines = [{"dish": "tea", "quantity": 1, "price": "8"}]
    reporter.report("order.created", at(0), order_id="A-17", lines=lines)
    cancelled = record(store, "order.cancelled", at(10), "c-1", {"order_id": "A-17"})
    execute(
        "UPDATE neural_order SET state = 'cancelled', cancel_version = %s", version_of(cancelled)
    )

    reporter.report("order.status_changed", at(5), order_id="A-17", status="ready")

    order = Order.objects.get()
    assert (order.state, order.shown_status) == ("cancelled", "cancelled")


def test_an_order_that_the_first_version_makes_for_a_payment_is_found_by_its_key(store):
    execute("INSERT INTO neural_order (store_id, number) VALUES ('S01', 'A-17')")
    old_payment("P-1")
    lines = [{"dish": "rice", "quantity": 2, "price": "18"}]

    Reporter(store).report("order.created", order_id="A-17", lines=lines)
    Reporter(store).report(
        "payment.completed", at(1), event_id="p-2", order_id="A-17", payment_id="P-2", amount="4"
    )

    order = Order.objects.get()
    assert (order.number, order.total, order.paid, order.balance) == ("A-17", 36, 40, -4)


def test_the_first_version_gets_its_keys_back(store):
    old_order("/7")
    old_order("%5")
    old_payment("/1")
    Order.objects.create(store=store, key="/till/5%25", number="5%")
    fill()

    for model in (Order, Payment):
        restore_keys(model, using=connection.alias)

    keys = Order.objects.order_by("pk").values_list("key", flat=True)
    assert list(keys) == ["/7", "%5", "/till/5%25"]
    assert Payment.objects.get().key == "/1"


def test_the_command_says_how_many_rows_it_filled(store):
    old_order("A-17")
    old_payment("P-1")
    out = StringIO()

    call_command("fill_orders", stdout=out, stderr=StringIO())

    assert "Filled 1 orders and 1 payments." in out.getvalue()
