"""What each event type does to the rows that people look at. Each test is a sentence."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction

from neural.models import Store
from neural.restaurant.handlers.stores import ShiftEndsBeforeItStarts
from neural.restaurant.models import (
    DailyDemand,
    Dish,
    Order,
    OrderLine,
    OrderState,
    Payment,
    SalesReport,
    Shift,
    StockLevel,
)
from neural.restaurant.models.newest import moment_of
from tests.unit.restaurant.history import Reporter, at, demand, handle, line, record, rows, sold

pytestmark = pytest.mark.django_db

MONDAY, TUESDAY = "2026-03-02", "2026-03-03"


@pytest.fixture
def store() -> Store:
    """A store on UTC+8 whose business day ends at four in the morning."""
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai", day_ends_at=dt.time(4))


@pytest.fixture
def reporter(store: Store) -> Reporter:
    return Reporter(store)


def the_order(number: str = "A1") -> Order:
    return Order.objects.get(number=number)


def dishes_of(order: Order) -> list[str]:
    return [each.dish for each in order.lines.all()]


class TestOrders:
    def test_an_order_has_its_lines_in_order_and_their_sum_as_its_total(self, reporter):
        reporter.report(
            "order.created",
            order_id="A1",
            currency="CNY",
            lines=[line("soup", 2, "12.50"), line("rice", 3, "2.00")],
        )
        order = the_order()
        assert (order.state, order.total, order.currency) == (OrderState.PLACED, 31, "CNY")
        assert dishes_of(order) == ["soup", "rice"]

    def test_amounts_are_rounded_half_up_line_by_line(self, reporter):
        reporter.report("order.created", order_id="A1", lines=[line("tea", "0.125", "0.1")] * 2)
        assert [each.amount for each in OrderLine.objects.all()] == [Decimal("0.013")] * 2
        assert the_order().total == Decimal("0.026")

    def test_an_update_replaces_all_lines(self, reporter):
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup"), line("rice")])
        reporter.report("order.updated", at(5), order_id="A1", lines=[line("tea", 4, "1")])
        assert dishes_of(the_order()) == ["tea"]
        assert the_order().total == 4

    def test_an_update_that_comes_before_its_order_stands(self, reporter):
        reporter.report("order.updated", at(5), order_id="A1", lines=[line("tea")])
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup")])
        assert dishes_of(the_order()) == ["tea"]

    def test_of_two_events_at_one_time_the_greater_id_wins(self, reporter):
        reporter.report("order.updated", event_id="é", order_id="A1", lines=[line("tea")])
        reporter.report("order.updated", event_id="z", order_id="A1", lines=[line("soup")])
        assert dishes_of(the_order()) == ["tea"]

    def test_of_two_events_with_one_time_and_id_the_greater_source_wins(self, reporter):
        same = {"event_id": "1001", "order_id": "A1"}
        reporter.report("order.updated", source="till-1", lines=[line("soup")], **same)
        reporter.report("order.updated", source="till-2", lines=[line("tea")], **same)
        assert dishes_of(the_order()) == ["tea"]

    def test_two_stores_may_both_have_an_order_of_one_number(self, reporter):
        other = Reporter(Store.objects.create(code="S2"))
        reporter.report("order.created", order_id="A1", lines=[line("soup")])
        other.report("order.created", order_id="A1", lines=[line("tea")])
        assert Order.objects.filter(number="A1").count() == 2

    def test_an_event_that_is_handled_twice_changes_nothing(self, reporter):
        event = reporter.report("order.created", order_id="A1", lines=[line()])
        before = rows()
        handle(event)
        assert rows() == before

    def test_a_cancelled_order_keeps_its_lines(self, reporter):
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup")])
        reporter.report("order.cancelled", at(5), order_id="A1", reason="guest left")
        order = the_order()
        assert (order.state, order.cancel_reason) == (OrderState.CANCELLED, "guest left")
        assert order.cancelled_at == at(5)
        assert dishes_of(order) == ["soup"]

    def test_an_older_order_after_its_cancellation_fills_the_lines_and_stays_cancelled(
        self, reporter
    ):
        reporter.report("order.cancelled", at(5), order_id="A1")
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup")])
        assert the_order().state == OrderState.CANCELLED
        assert dishes_of(the_order()) == ["soup"]

    def test_an_older_cancellation_that_comes_late_does_not_replace_the_newer(self, reporter):
        reporter.report("order.cancelled", at(5), order_id="A1", reason="guest left")
        reporter.report("order.cancelled", at(4), order_id="A1", reason="mistyped")
        assert the_order().cancel_reason == "guest left"

    def test_a_newer_statement_of_a_cancelled_order_makes_it_stand_again(self, reporter):
        reporter.report("order.cancelled", at(5), order_id="A1")
        reporter.report("order.updated", at(6), order_id="A1", lines=[line("soup")])
        assert the_order().state == OrderState.PLACED
        assert the_order().cancelled_at is None

    def test_a_time_without_zone_is_the_stores_own(self, reporter):
        reporter.report("order.created", order_id="A1", lines=[], placed_at="2026-03-02T20:00:00")
        assert the_order().placed_at == at(0)

    def test_a_sale_after_midnight_belongs_to_the_business_day_before(self, reporter):
        reporter.report("order.created", order_id="A1", lines=[], placed_at="2026-03-03T03:59:00")
        reporter.report("order.created", order_id="A2", lines=[], placed_at="2026-03-03T04:00:00")
        assert str(the_order("A1").business_day) == MONDAY
        assert str(the_order("A2").business_day) == TUESDAY

    def test_an_order_that_nobody_timed_was_placed_when_its_earliest_event_occurred(self, reporter):
        reporter.report("order.updated", at(30), order_id="A1", lines=[line()])
        reporter.report("order.created", at(0), order_id="A1", lines=[line()])
        reporter.report("order.updated", at(60), order_id="A1", lines=[line()])
        assert the_order().placed_at == at(0)

    def test_the_newest_time_that_was_stated_stands_when_a_newer_event_states_none(self, reporter):
        reporter.report("order.updated", at(2), order_id="A1", lines=[line("tea")])
        reporter.report("order.created", at(1), order_id="A1", lines=[], placed_at=str(at(-60)))
        reporter.report("order.created", at(0), order_id="A1", lines=[], placed_at=str(at(-90)))
        assert the_order().placed_at == at(-60)
        assert dishes_of(the_order()) == ["tea"]


class TestPayments:
    def test_an_order_shows_what_was_paid_and_what_is_owed(self, reporter):
        reporter.report("order.created", order_id="A1", lines=[line("soup", 1, "30")])
        reporter.report("payment.completed", payment_id="P1", order_id="A1", amount="20")
        reporter.report("payment.completed", payment_id="P2", order_id="A1", amount="15")
        reporter.report(
            "payment.refunded", refund_id="R1", payment_id="P2", order_id="A1", amount="5"
        )
        order = the_order()
        assert (order.paid, order.refunded, order.balance) == (35, 5, 0)

    def test_a_payment_before_its_order_makes_an_expected_order(self, reporter):
        reporter.report("payment.completed", payment_id="P1", order_id="A1", amount="20")
        order = the_order()
        assert (order.state, order.paid, order.placed_at) == (OrderState.EXPECTED, 20, None)

    def test_the_order_that_comes_later_keeps_the_payment(self, reporter):
        reporter.report("payment.completed", payment_id="P1", order_id="A1", amount="20")
        reporter.report("order.created", order_id="A1", lines=[line("soup", 1, "30")])
        order = the_order()
        assert (order.state, order.total, order.paid) == (OrderState.PLACED, 30, 20)

    def test_a_payment_that_is_reported_twice_counts_once(self, reporter):
        for event_id in ("one", "two"):
            reporter.report(
                "payment.completed", event_id=event_id, payment_id="P1", order_id="A1", amount="20"
            )
        assert the_order().paid == 20

    def test_payments_that_are_numbered_in_each_order_are_kept_apart(self, reporter):
        reporter.report("payment.completed", at(0), payment_id="1", order_id="A1", amount="20")
        reporter.report("payment.completed", at(1), payment_id="1", order_id="A2", amount="21")
        assert (the_order("A1").paid, the_order("A2").paid) == (20, 21)

    def test_an_older_statement_of_a_payment_that_comes_late_changes_nothing(self, reporter):
        reporter.report("payment.completed", at(1), payment_id="P1", order_id="A1", amount="21")
        reporter.report("payment.completed", at(0), payment_id="P1", order_id="A1", amount="20")
        assert the_order().paid == 21

    def test_a_payment_and_a_refund_of_the_same_id_are_two_rows(self, reporter):
        reporter.report("payment.completed", payment_id="1", order_id="A1", amount="20")
        reporter.report(
            "payment.refunded", refund_id="1", payment_id="1", order_id="A1", amount="20"
        )
        assert Payment.objects.count() == 2

    def test_money_in_another_currency_is_kept_but_not_added_up(self, reporter):
        reporter.report(
            "payment.completed", payment_id="P1", order_id="A1", amount=9, currency="USD"
        )
        reporter.report("payment.completed", payment_id="P2", order_id="A1", amount=20)
        reporter.report("order.created", order_id="A1", currency="CNY", lines=[line()])
        assert the_order().paid == 20
        assert Payment.objects.get(reference="P1").amount == 9


class TestDemand:
    def test_orders_of_a_day_add_up_by_dish(self, store, reporter):
        reporter.report("order.created", order_id="A1", lines=[line("soup", 2), line("rice", 1)])
        reporter.report("order.created", order_id="A2", lines=[line("soup", "0.5")])
        assert demand(store) == {(MONDAY, "soup"): "2.5", (MONDAY, "rice"): "1"}

    def test_a_dish_that_no_menu_knows_counts(self, store, reporter):
        reporter.report("order.created", order_id="A1", lines=[line("never heard of")])
        assert not Dish.objects.exists()
        assert demand(store) == {(MONDAY, "never heard of"): "1"}

    def test_a_dish_without_a_code_counts_under_its_name(self, store, reporter):
        reporter.report(
            "order.created", order_id="A1", lines=[{"name": "corkage", "quantity": 1, "price": 9}]
        )
        assert demand(store) == {(MONDAY, "corkage"): "1"}

    def test_a_cancelled_order_does_not_count(self, store, reporter):
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup")])
        reporter.report("order.created", at(0), order_id="A2", lines=[line("soup"), line("tea")])
        reporter.report("order.cancelled", at(1), order_id="A2")
        assert demand(store) == {(MONDAY, "soup"): "1"}

    def test_a_dish_that_an_update_removes_is_counted_no_more(self, store, reporter):
        reporter.report("order.created", at(0), order_id="A1", lines=[line("soup"), line("tea")])
        reporter.report("order.updated", at(1), order_id="A1", lines=[line("tea")])
        assert demand(store) == {(MONDAY, "tea"): "1"}

    def test_an_order_that_moves_to_another_day_leaves_the_old_one(self, store, reporter):
        reporter.report("order.created", at(0), order_id="A1", lines=[line()])
        reporter.report(
            "order.updated", at(1), order_id="A1", lines=[line()], placed_at=str(at(24 * 60))
        )
        assert demand(store) == {(TUESDAY, "rice"): "1"}

    def test_what_was_reported_outranks_what_orders_add_up_to(self, store, reporter):
        reporter.report("sales.reported", day=MONDAY, lines=[sold("soup", 40, revenue="500")])
        reporter.report(
            "order.created", order_id="A1", lines=[line("soup", 1, "12"), line("tea", 2)]
        )
        row = DailyDemand.objects.get(dish="soup")
        assert (row.quantity, row.ordered_quantity) == (40, 1)
        assert (row.revenue, row.ordered_revenue) == (500, 12)
        assert demand(store)[MONDAY, "tea"] == "2"

    def test_a_later_report_of_a_day_replaces_the_earlier_one(self, store, reporter):
        reporter.report(
            "sales.reported", at(0), day=MONDAY, lines=[sold("soup", 4), sold("tea", 5)]
        )
        reporter.report("sales.reported", at(1), day=MONDAY, lines=[sold("soup", 3)])
        assert demand(store) == {(MONDAY, "soup"): "3"}

    def test_a_dish_missing_from_the_newer_report_falls_back_to_its_orders(self, store, reporter):
        reporter.report("order.created", order_id="A1", lines=[line("tea", 2)])
        reporter.report("sales.reported", at(0), day=MONDAY, lines=[sold("tea", 5)])
        reporter.report("sales.reported", at(1), day=MONDAY, lines=[])
        assert demand(store) == {(MONDAY, "tea"): "2"}

    def test_an_older_report_that_comes_later_changes_nothing(self, store, reporter):
        reporter.report("sales.reported", at(1), day=MONDAY, lines=[sold("soup", 3)])
        reporter.report(
            "sales.reported", at(0), day=MONDAY, lines=[sold("soup", 4), sold("tea", 5)]
        )
        assert demand(store) == {(MONDAY, "soup"): "3"}

    def test_a_report_of_zero_is_a_row_and_a_day_without_sales_is_none(self, store, reporter):
        reporter.report("sales.reported", day=MONDAY, lines=[sold("soup", 0)])
        reporter.report("sales.reported", day=TUESDAY, lines=[])
        assert demand(store) == {(MONDAY, "soup"): "0"}

    def test_a_dish_on_two_lines_of_a_report_is_added_up(self, store, reporter):
        reporter.report(
            "sales.reported", day=MONDAY, lines=[sold("soup", 3, revenue=9), sold("soup", 1)]
        )
        row = DailyDemand.objects.get()
        assert (row.quantity, row.revenue) == (4, 9)

    def test_what_a_report_says_beside_its_lines_is_the_days_context(self, reporter):
        reporter.report("sales.reported", day=MONDAY, lines=[], promotion=True, weather={"rain": 3})
        assert SalesReport.objects.get().context == {"promotion": True, "weather": {"rain": 3}}


class TestStock:
    def test_an_item_that_is_reported_low_is_low_until_a_newer_count(self, reporter):
        reporter.report("inventory.low", at(0), item="flour", level=3, threshold=5, unit="kg")
        assert StockLevel.objects.low().get().item == "flour"
        reporter.report("inventory.updated", at(1), item="flour", level=20, unit="kg")
        assert not StockLevel.objects.low().exists()

    def test_an_older_alert_that_comes_late_does_not_make_an_item_low(self, reporter):
        reporter.report("inventory.updated", at(1), item="flour", level=20)
        reporter.report("inventory.low", at(0), item="flour", level=3, threshold=5)
        level = StockLevel.objects.get()
        assert (level.low, level.level, level.threshold) == (False, 20, 5)

    def test_an_item_that_its_store_calls_low_is_low_whatever_the_threshold(self, reporter):
        reporter.report("inventory.low", item="flour", level=9, threshold=5)
        reporter.report("inventory.low", item="eggs", level=9)
        assert StockLevel.objects.low().count() == 2

    def test_an_older_threshold_that_comes_late_does_not_replace_the_newer(self, reporter):
        reporter.report("inventory.low", at(1), item="flour", level=3, threshold=5)
        reporter.report("inventory.low", at(0), item="flour", level=3, threshold=50)
        assert StockLevel.objects.get().threshold == 5

    def test_a_count_at_or_under_the_threshold_is_low_whoever_named_it(self, reporter):
        reporter.report("inventory.low", at(0), item="flour", level=3, threshold=5)
        reporter.report("inventory.updated", at(1), item="flour", level=5)
        assert StockLevel.objects.get().low
        assert moment_of(StockLevel.objects.get().level_version) == at(1)

    def test_a_level_below_zero_is_kept(self, reporter):
        reporter.report("inventory.updated", item="flour", level="-1.5")
        assert StockLevel.objects.get().level == Decimal("-1.5")


class TestDishesAndShifts:
    def test_the_newest_statement_of_a_dish_stands_whole(self, reporter):
        reporter.report("dish.updated", at(1), dish="D1", name="红烧肉", price="48", spicy=2)
        reporter.report("dish.updated", at(0), dish="D1", name="old", price="1", category="meat")
        dish = Dish.objects.get()
        assert (dish.name, dish.price, dish.category, dish.available) == ("红烧肉", 48, "", True)
        assert dish.details == {"spicy": 2}

    def test_a_shift_is_kept_in_utc_from_the_stores_own_time(self, reporter):
        times = {"starts_at": "2026-03-02T20:00:00", "ends_at": "2026-03-03T04:00:00"}
        reporter.report("staff.scheduled", staff_id="E1", shift_id="W1", name="李娜", **times)
        shift = Shift.objects.get()
        assert (shift.starts_at, shift.ends_at) == (at(0), at(8 * 60))

    def test_the_newest_statement_of_a_shift_stands(self, reporter):
        times = {"starts_at": str(at(0)), "ends_at": str(at(60))}
        reporter.report("staff.scheduled", at(1), staff_id="E2", shift_id="W1", **times)
        reporter.report("staff.scheduled", at(0), staff_id="E1", shift_id="W1", **times)
        assert Shift.objects.get().staff_code == "E2"

    def test_a_shift_that_ends_before_it_starts_in_the_stores_time_is_refused(self, store):
        times = {"starts_at": "2026-03-02T20:00:00", "ends_at": "2026-03-02T11:00:00Z"}
        payload = {"staff_id": "E1", "shift_id": "W1", **times}
        with pytest.raises(ShiftEndsBeforeItStarts):
            handle(record(store, "staff.scheduled", at(0), "1", payload))
        assert ShiftEndsBeforeItStarts.permanent


def test_read_models_show_a_user_the_rows_of_their_own_stores_alone(reporter):
    other = Reporter(Store.objects.create(code="S2"))
    for each in (reporter, other):
        each.report("order.created", order_id="A1", lines=[line()])
        each.report("payment.completed", payment_id="P1", order_id="A1", amount=1)
        each.report("sales.reported", day=MONDAY, lines=[sold()])
        each.report("inventory.low", item="flour", level=1)
        each.report("dish.updated", dish="D1", name="soup")
        each.report(
            "staff.scheduled", staff_id="E", shift_id="W", starts_at=str(at(0)), ends_at=str(at(9))
        )
    operator = User.objects.create(username="operator")
    other.store.operators.add(operator)
    chief = User.objects.create(username="chief")
    chief.user_permissions.add(Permission.objects.get(codename="view_every_store"))

    for model in (Order, OrderLine, Payment, SalesReport, DailyDemand, StockLevel, Dish, Shift):
        mine = model.objects.for_user(operator).get()
        assert (mine.order if model is OrderLine else mine).store_id == "S2"
        assert model.objects.for_user(chief).count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda store: Order.objects.create(store=store, key="A", state="eaten"),
        lambda store: Order.objects.create(store=store, key="A", state=OrderState.PLACED),
        lambda store: Order.objects.create(store=store, key="A", paid=-1),
        lambda store: DailyDemand.objects.create(store=store, day=MONDAY, dish="soup"),
        lambda store: Dish.objects.create(store=store, code="D", name="D", price=-1),
        lambda store: Shift.objects.create(store=store, code="W", starts_at=at(1), ends_at=at(0)),
    ],
)
def test_the_database_refuses_rows_that_cannot_be(store, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        wrong(store)
