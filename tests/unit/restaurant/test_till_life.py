"""The life of an order as tills report it: statuses with their times, and orders that are reopened,
split, merged, replaced and moved."""

import pytest

from neural.models import Store
from neural.restaurant.handlers import orders
from neural.restaurant.models import DailyDemand, Order, OrderState, OrderStatus
from neural.restaurant.models.order_status import COUNTS_NOWHERE, LONGEST_PROGRESS
from tests.unit.restaurant.history import at, handle, line, record, rows
from tests.unit.restaurant.till_story import MONDAY, Till, counted, the_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


@pytest.fixture
def till(store: Store) -> Till:
    return Till(store)


def line_of_statuses(order: Order) -> list[tuple[str, str]]:
    return [(step["status"], step["at"][11:16]) for step in order.progress]


class TestStatuses:
    def test_each_status_is_kept_with_its_time_who_and_why(self, till):
        till.order("17", 10, when=at(0))
        till.status("17", "accepted", when=at(1), by="Li")
        till.status("17", "ready", when=at(20))
        till.status("17", "cancelled", when=at(30), reason="guest left")
        order = the_order()
        expected = [("accepted", "12:01"), ("ready", "12:20"), ("cancelled", "12:30")]
        assert line_of_statuses(order) == expected
        assert (order.progress[0]["by"], order.progress[2]["reason"]) == ("Li", "guest left")
        assert order.display_status == "cancelled"

    def test_the_newest_status_counts_in_whatever_order_they_come(self, till):
        till.order("17", 10, when=at(0))
        till.status("17", "ready", when=at(20))
        till.status("17", "preparing", when=at(10))
        order = the_order()
        assert order.status == "ready"
        assert line_of_statuses(order) == [("preparing", "12:10"), ("ready", "12:20")]

    def test_a_status_that_comes_twice_is_one_step(self, till):
        event = till.status("17", "ready")
        before = rows()
        handle(event)
        assert rows() == before
        assert len(the_order().progress) == 1

    def test_the_newest_steps_are_kept(self, till):
        for minute in range(LONGEST_PROGRESS + 5):
            till.status("17", "ready", when=at(minute))
        order = the_order()
        assert len(order.progress) == LONGEST_PROGRESS
        assert order.progress[0]["at"] == at(5).isoformat()

    def test_a_status_alone_does_not_place_an_order(self, till):
        till.status("17", "ready")
        order = the_order()
        assert (order.state, order.display_status) == (OrderState.EXPECTED, "ready")
        assert list(Order.objects.apart()) == [order]

    def test_an_order_whose_till_states_no_status_is_open(self, till):
        till.order("17", 10)
        assert the_order().display_status == OrderStatus.OPEN

    @pytest.mark.parametrize("status", sorted(COUNTS_NOWHERE))
    def test_what_was_rejected_cancelled_voided_or_merged_counts_nowhere(self, till, status):
        till.order("17", 10)
        till.status("17", status)
        order = the_order()
        assert (order.state, order.status, order.counted) == (OrderState.CANCELLED, status, 0)
        assert order.lines.count() == 1
        assert not DailyDemand.objects.exists()

    @pytest.mark.parametrize("status", sorted(set(OrderStatus) - COUNTS_NOWHERE))
    def test_every_other_status_counts(self, till, status):
        till.order("17", 10, status=status)
        assert (the_order().state, the_order().counted) == (OrderState.PLACED, 10)

    def test_a_newer_status_makes_a_cancelled_order_stand_again(self, till):
        till.order("17", 10, status="cancelled")
        till.status("17", "open")
        assert the_order().state == OrderState.PLACED
        assert DailyDemand.objects.get().ordered_quantity == 1

    def test_newer_content_without_a_status_makes_it_stand_again(self, till):
        till.status("17", "cancelled", when=at(5))
        till.order("17", 10, when=at(4))
        assert the_order().state == OrderState.CANCELLED
        till.order("17", 12, when=at(6))
        order = the_order()
        assert (order.state, order.display_status) == (OrderState.PLACED, OrderStatus.OPEN)
        assert order.cancelled_at is None

    def test_content_with_an_older_status_does_not_take_back_a_newer_one(self, till):
        till.status("17", "cancelled", when=at(5))
        till.order("17", 10, when=at(4), status="open")
        assert the_order().state == OrderState.CANCELLED

    def test_the_demand_of_a_day_is_computed_where_it_changes_alone(self, till, monkeypatch):
        till.order("17", 10)
        demand = Asked()
        monkeypatch.setattr(orders, "DEMAND", demand)
        till.status("17", "ready")
        assert demand.asked == set()
        till.status("17", "voided")
        assert demand.asked == {("S1", MONDAY)}


class Asked:
    """A recomputation that notes what is asked for."""

    def __init__(self) -> None:
        self.asked: set = set()

    def ask(self, keys: set) -> None:
        self.asked |= keys


class TestClosing:
    def test_the_first_closing_is_kept(self, till):
        till.order("17", 10, when=at(60), status="closed", closed_at=str(at(50)))
        till.status("17", "closed", when=at(90))
        assert the_order().first_closed_at == at(50)

    @pytest.mark.parametrize(("hours", "late"), [(12, False), (12.1, True)])
    @pytest.mark.parametrize("closed_first", [True, False])
    def test_a_change_more_than_twelve_hours_after_closing_is_flagged(
        self, till, hours, late, closed_first
    ):
        steps = [
            lambda: till.status("17", "closed", when=at(0)),
            lambda: till.order("17", 10, when=at(60 * hours)),
        ]
        for step in steps if closed_first else reversed(steps):
            step()
        assert the_order().late_change is late
        assert the_order().total == 10

    def test_a_refund_next_week_is_no_such_change(self, till):
        till.order("17", 10, when=at(0), status="closed")
        till.refunded("17", 4, when=at(60 * 24 * 7))
        assert not the_order().late_change


class TestSeveralOrders:
    def test_a_merge_leaves_the_survivor_with_what_its_till_states_anew(self, till):
        till.order("1", 30)
        till.order("2", 20)
        till.paid("2", 20)
        till.tell("order.merged", into="1", orders=["2", "1"])
        till.order("1", 30, 20)
        till.paid("1", 20, "P1")
        till.paid("1", 30, "P2")
        source = the_order("2")
        assert (source.state, source.status, source.merged_into) == ("cancelled", "merged", "1")
        assert (source.balance, source.paid) == (0, 0)
        assert counted("1") == (50, 0, 50)
        assert sum(row.ordered_quantity for row in DailyDemand.objects.all()) == 2

    def test_a_merge_of_an_order_into_itself_changes_nothing(self, till):
        till.order("1", 30)
        till.tell("order.merged", into="1", orders=["1"])
        assert the_order("1").state == OrderState.PLACED

    def test_a_merge_that_is_taken_back_leaves_no_trace_of_the_other(self, till):
        till.order("2", 20)
        till.tell("order.merged", into="1", orders=["2"])
        till.status("2", "open")
        assert (the_order("2").state, the_order("2").merged_into) == (OrderState.PLACED, "")

    def test_a_split_into_thirds_loses_no_dish(self, till):
        till.order("1", lines=[line("fish", "0.333", "90")])
        for order_id, part in (("1a", "0.333"), ("1b", "0.334")):
            till.order(order_id, lines=[line("fish", part, "90")], split_from="1")
        assert DailyDemand.objects.get().ordered_quantity == 1
        assert the_order("1a").split_from == the_order("1b").split_from == "1"

    def test_other_orders_are_named_by_keys_of_the_same_till_and_day(self, store):
        till = Till(store, "T1", MONDAY)
        till.order("18", 10, split_from="17", replaces="16")
        order = the_order("/T1/2026-03-02/18")
        assert order.split_from == "/T1/2026-03-02/17"
        assert order.replaces == "/T1/2026-03-02/16"

    def test_an_order_moves_to_another_table(self, till):
        till.order("17", 10, table="4", guests=2)
        till.order("17", 10, table="9", guests=3)
        assert (the_order().table, the_order().guests) == ("9", 3)


class TestHostile:
    def test_two_statements_in_one_batch_leave_the_newer(self, store):
        events = [
            record(store, "order.stated", at(minute), str(minute), told)
            for minute, told in (
                (2, {"order_id": "17", "lines": [line("tea", 1, "3")]}),
                (1, {"order_id": "17", "lines": [line("soup"), line("rice")], "status": "ready"}),
            )
        ]
        handle(*events)
        order = the_order()
        assert [each.dish for each in order.lines.all()] == ["tea"]
        assert (order.total, order.status) == (3, "ready")

    def test_a_line_belongs_to_no_unknown_line_and_not_to_itself(self, till):
        lines = [
            line("a", line_id="1", parent="1"),
            line("b", line_id="2", parent="nowhere"),
            line("c", line_id="3", parent="2"),
        ]
        till.order("17", lines=lines)
        assert [each.parent for each in the_order().lines.all()] == [None, None, 2]

    def test_lines_do_not_belong_to_one_another_in_a_circle(self, till):
        lines = [
            line("a", line_id="1", parent="3"),
            line("b", line_id="2", parent="1"),
            line("c", line_id="3", parent="2"),
            line("d", line_id="4", parent="3"),
        ]
        till.order("17", lines=lines)
        parents = [each.parent for each in the_order().lines.all()]
        assert parents == [None, None, None, 3]

    def test_lines_may_have_one_id(self, till):
        till.order("17", lines=[line("a", line_id="1"), line("b", line_id="1", parent="1")])
        assert [each.parent for each in the_order().lines.all()] == [None, None]

    def test_a_thousand_lines_and_two_hundred_entries_are_kept(self, till):
        entries = [{"kind": "charge", "amount": "0.01"}] * 200
        till.order("17", lines=[line("rice", 1, "1")] * 1000, bill=entries, total="1002.00")
        order = the_order()
        assert (order.lines.count(), len(order.bill), order.difference) == (1000, 200, 0)

    def test_empty_texts_say_nothing(self, till):
        empty = dict.fromkeys(("table", "ticket", "note", "currency", "status", "replaces"), "")
        till.order("17", 10, **empty)
        assert (the_order().number, the_order().replaces) == ("17", "")
