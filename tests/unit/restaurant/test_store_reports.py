"""What tills and stores report around their orders: deliveries, menus, opening states and time
cards. Each test is a sentence."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from neural.models import Store
from neural.restaurant.models import (
    DeliveryStatus,
    Dish,
    Menu,
    Opening,
    OpeningState,
    Order,
    OrderState,
    TimeCard,
)
from tests.unit.restaurant.history import Reporter, at, handle, line, record, rows, undone

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    """A store on UTC+8."""
    return Store.objects.create(code="S1", time_zone="Asia/Shanghai")


@pytest.fixture
def reporter(store: Store) -> Reporter:
    return Reporter(store)


def dish(code: str, **fields) -> dict:
    return {"dish": code, "name": code.title(), **fields}


def available() -> set[str]:
    return set(Dish.objects.filter(available=True).values_list("code", flat=True))


class TestDeliveries:
    def test_an_order_knows_how_far_it_is_on_its_way(self, reporter):
        reporter.report("order.stated", at(0), order_id="A1", lines=[line()])
        reporter.report(
            "delivery.updated",
            at(5),
            order_id="A1",
            status="picked_up",
            courier="李",
            eta="2026-03-02T20:30:00",
        )
        delivery = Order.objects.get().delivered
        assert (delivery.status, delivery.courier) == (DeliveryStatus.PICKED_UP, "李")
        assert (delivery.at, delivery.eta) == (at(5), at(30))

    def test_an_order_without_a_delivery_says_so(self, reporter):
        reporter.report("order.stated", order_id="A1", lines=[])
        assert Order.objects.get().delivered is None

    def test_a_delivery_before_its_order_makes_an_expected_order_that_keeps_it(self, reporter):
        reporter.report("delivery.updated", at(1), order_id="A1", status="assigned")
        assert Order.objects.get().state == OrderState.EXPECTED
        reporter.report("order.stated", at(0), order_id="A1", lines=[line()])
        assert Order.objects.get().state == OrderState.PLACED
        assert Order.objects.get().delivered.status == DeliveryStatus.ASSIGNED

    def test_a_delivery_reaches_the_order_of_its_till_and_day(self, reporter):
        of = {"till": "T1", "day": "2026-03-02", "order_id": "17"}
        reporter.report("order.stated", **of, lines=[])
        reporter.report("delivery.updated", **of, status="assigned")
        reporter.report("delivery.updated", order_id="17", status="failed")
        assert Order.objects.get(till="T1").delivered.status == DeliveryStatus.ASSIGNED

    def test_an_older_status_that_comes_late_is_a_step_and_not_the_status(self, reporter):
        reporter.report("delivery.updated", at(9), order_id="A1", status="delivered")
        reporter.report("delivery.updated", at(5), order_id="A1", status="picked_up", courier="李")
        delivery = Order.objects.get().delivered
        assert (delivery.status, delivery.courier) == (DeliveryStatus.DELIVERED, "")
        assert [each["status"] for each in delivery.steps] == ["picked_up", "delivered"]

    def test_a_delivery_happens_when_it_says_and_else_when_its_event_occurred(self, reporter):
        reporter.report("delivery.updated", at(9), order_id="A1", status="assigned", at=str(at(7)))
        assert Order.objects.get().delivered.at == at(7)

    def test_a_delivery_that_is_reported_twice_changes_nothing(self, reporter):
        event = reporter.report("delivery.updated", order_id="A1", status="assigned")
        before = rows()
        handle(event)
        assert rows() == before


class TestMenus:
    def test_a_part_of_a_menu_states_its_dishes_and_leaves_the_others(self, reporter):
        reporter.report("dish.updated", at(0), **dish("tea"))
        reporter.report("menu.updated", at(1), items=[dish("soup", price="8"), dish("rice")])
        assert available() == {"tea", "soup", "rice"}
        assert Dish.objects.get(code="soup").price == 8
        assert not Menu.objects.exists()

    def test_a_complete_menu_ends_the_dishes_that_it_does_not_name(self, reporter):
        reporter.report("dish.updated", at(0), **dish("tea", price="3"))
        reporter.report("menu.updated", at(1), items=[dish("soup")], complete=True)
        assert available() == {"soup"}
        assert Dish.objects.get(code="tea").price == 3
        assert Menu.objects.get().dishes == 1

    def test_a_dish_that_a_menu_calls_unavailable_is_not_available(self, reporter):
        reporter.report("menu.updated", items=[dish("soup", available=False)], complete=True)
        assert available() == set()

    def test_a_dish_that_is_stated_after_a_complete_menu_is_available(self, reporter):
        reporter.report("menu.updated", at(1), items=[dish("soup")], complete=True)
        reporter.report("dish.updated", at(2), **dish("tea"))
        assert available() == {"soup", "tea"}

    def test_a_dish_whose_older_statement_comes_after_a_complete_menu_is_not(self, reporter):
        reporter.report("menu.updated", at(1), items=[dish("soup")], complete=True)
        reporter.report("dish.updated", at(0), **dish("tea"))
        reporter.report("menu.updated", at(0.5), items=[dish("rice")])
        assert available() == {"soup"}
        assert Dish.objects.count() == 3

    def test_an_older_complete_menu_that_comes_late_ends_nothing_newer(self, reporter):
        reporter.report("menu.updated", at(2), items=[dish("soup"), dish("tea")], complete=True)
        reporter.report("menu.updated", at(1), items=[dish("rice")], complete=True)
        assert available() == {"soup", "tea"}
        assert Menu.objects.get().dishes == 2

    def test_an_empty_complete_menu_ends_all_dishes_of_its_store_alone(self, reporter):
        other = Reporter(Store.objects.create(code="S2"))
        for each in (reporter, other):
            each.report("dish.updated", at(0), **dish("tea"))
        reporter.report("menu.updated", at(1), items=[], complete=True)
        assert Dish.objects.get(available=True).store_id == "S2"

    def test_of_a_dish_that_a_menu_names_twice_the_first_statement_counts(self, reporter):
        reporter.report("menu.updated", items=[dish("tea", price=1), dish("tea", price=2)])
        assert Dish.objects.get().price == 1

    def test_menus_of_one_batch_end_as_one_after_the_other(self, store):
        menus = [
            record(store, "menu.updated", at(minute), str(minute), {"items": items, **complete})
            for minute, items, complete in (
                (1, [dish("tea"), dish("soup")], {"complete": True}),
                (2, [dish("soup", price=2)], {}),
                (3, [dish("rice")], {"complete": True}),
            )
        ]
        with undone():
            for menu in menus:
                handle(menu)
            expected = rows()
        handle(*reversed(menus))
        assert rows() == expected
        assert available() == {"rice"}

    def test_a_large_menu_is_written_in_few_statements(
        self, reporter, django_assert_max_num_queries
    ):
        items = [dish(f"dish-{number}") for number in range(1200)]
        with django_assert_max_num_queries(20):
            reporter.report("menu.updated", items=items, complete=True)
        assert Dish.objects.count() == 1200


class TestOpenings:
    def test_each_opening_closing_and_pause_is_a_row_with_its_time(self, reporter, store):
        reporter.report("store.opened", at(0))
        reporter.report("store.busy", at(5), reason="20 orders wait", until="2026-03-02T20:30:00")
        reporter.report("store.closed", at(9), at="2026-03-02T20:08:00")
        found = OpeningState.objects.order_by("version").values_list("state", "starts_at")
        assert list(found) == [("opened", at(0)), ("busy", at(5)), ("closed", at(8))]
        assert OpeningState.objects.get(state="busy").reason == "20 orders wait"

    def test_the_newest_state_is_that_of_the_newest_event(self, reporter, store):
        reporter.report("store.closed", at(9))
        reporter.report("store.opened", at(0))
        assert OpeningState.objects.newest(store=store).state == Opening.CLOSED

    def test_a_store_that_never_said_anything_has_no_state(self, store):
        assert OpeningState.objects.newest(store=store) is None

    def test_a_platform_has_a_state_of_its_own(self, reporter, store):
        reporter.report("store.opened", at(0))
        reporter.report("store.closed", at(1), platform="meituan")
        assert OpeningState.objects.newest(store=store).state == Opening.OPENED
        of_platform = OpeningState.objects.newest(store=store, platform="meituan")
        assert of_platform.state == Opening.CLOSED

    def test_a_store_is_open_again_when_its_pause_has_ended(self, reporter, store):
        reporter.report("store.busy", at(0), until=str(at(30)))
        state = OpeningState.objects.newest(store=store)
        assert [state.at(at(minute)) for minute in (0, 29, 30)] == [
            Opening.BUSY,
            Opening.BUSY,
            Opening.OPENED,
        ]

    def test_a_state_without_an_end_lasts(self, reporter, store):
        reporter.report("store.closed", at(0))
        assert OpeningState.objects.newest(store=store).at(at(10**6)) == Opening.CLOSED

    def test_a_state_that_is_reported_twice_is_one_row(self, reporter):
        handle(reporter.report("store.opened"))
        assert OpeningState.objects.count() == 1


class TestTimeCards:
    def test_hours_are_from_clocking_in_to_clocking_out_without_unpaid_breaks(self, reporter):
        of = {"timecard_id": "C1", "staff_id": "E1"}
        breaks = [
            {"starts_at": "2026-03-02T22:00", "ends_at": "2026-03-02T22:30"},
            {"starts_at": "2026-03-03T00:00", "ends_at": "2026-03-03T00:15", "paid": True},
        ]
        reporter.report("staff.clocked_in", at(0), **of, name="李娜", role="cook")
        reporter.report("staff.clocked_out", at(8 * 60), **of, breaks=breaks)
        card = TimeCard.objects.get()
        assert (card.starts_at, card.ends_at, card.hours) == (at(0), at(480), Decimal("7.5"))
        assert (card.staff_code, card.staff_name, card.role) == ("E1", "李娜", "cook")

    @pytest.mark.parametrize("kind", ["staff.clocked_in", "staff.clocked_out"])
    def test_there_are_no_hours_until_both_are_known(self, reporter, kind):
        reporter.report(kind, timecard_id="C1", staff_id="E1")
        assert TimeCard.objects.get().hours is None

    def test_nor_where_the_end_is_before_the_beginning(self, reporter):
        reporter.report("staff.clocked_in", at(1), timecard_id="C1", staff_id="E1")
        reporter.report("staff.clocked_out", at(0), timecard_id="C1", staff_id="E1")
        assert TimeCard.objects.get().hours is None

    def test_breaks_that_are_longer_than_the_work_leave_no_hours(self, reporter):
        breaks = [{"starts_at": str(at(0)), "ends_at": str(at(90))}]
        reporter.report("staff.clocked_in", at(0), timecard_id="C1", staff_id="E1")
        reporter.report("staff.clocked_out", at(60), timecard_id="C1", staff_id="E1", breaks=breaks)
        assert TimeCard.objects.get().hours == 0

    def test_clocking_out_may_come_first(self, reporter):
        reporter.report("staff.clocked_out", at(90), timecard_id="C1", staff_id="E1")
        reporter.report("staff.clocked_in", at(0), timecard_id="C1", staff_id="E1")
        assert TimeCard.objects.get().hours == Decimal("1.5")

    def test_a_correction_replaces_its_side_alone_and_an_older_one_does_not(self, reporter):
        of = {"timecard_id": "C1", "staff_id": "E1"}
        reporter.report("staff.clocked_in", at(0), **of)
        reporter.report("staff.clocked_out", at(60), **of)
        reporter.report("staff.clocked_in", at(100), **of, at=str(at(-60)))
        reporter.report("staff.clocked_in", at(50), **of, at=str(at(-600)))
        card = TimeCard.objects.get()
        assert (card.starts_at, card.ends_at, card.worked) == (
            at(-60),
            at(60),
            dt.timedelta(hours=2),
        )

    def test_a_newer_event_without_a_name_leaves_the_name(self, reporter):
        reporter.report("staff.clocked_in", at(0), timecard_id="C1", staff_id="E1", name="李娜")
        reporter.report("staff.clocked_out", at(9), timecard_id="C1", staff_id="E1")
        assert TimeCard.objects.get().staff_name == "李娜"

    def test_a_time_card_that_is_reported_twice_changes_nothing(self, reporter):
        event = reporter.report("staff.clocked_in", timecard_id="C1", staff_id="E1")
        before = rows()
        handle(event)
        assert rows() == before


def test_the_database_refuses_a_state_that_no_store_has(store):
    with pytest.raises(IntegrityError), transaction.atomic():
        OpeningState.objects.create(store=store, state="asleep", starts_at=at(0), version=b"1")


@pytest.mark.parametrize("model", [Menu, OpeningState, TimeCard])
def test_a_user_sees_the_rows_of_their_own_stores_alone(model, django_user_model):
    for code in ("S1", "S2"):
        each = Reporter(Store.objects.create(code=code))
        each.report("menu.updated", items=[], complete=True)
        each.report("store.opened")
        each.report("staff.clocked_in", timecard_id="C1", staff_id="E1")
    operator = django_user_model.objects.create(username="operator")
    each.store.operators.add(operator)

    assert model.objects.for_user(operator).get().store_id == "S2"
