"""What a run wrote: on its page, and on that of its event."""

from typing import Any

import pytest

import neural
from neural.models import TaskRun
from tests.unit.admin import admin_world as world
from tests.unit.runs.run_page_world import ORDER, page, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def test_the_rows_that_a_run_wrote_are_linked_and_say_if_a_newer_event_stands() -> None:
    first = submitted("order.created", "1", ORDER)
    neural.run_due()
    run = first.runs.get()

    assert [row.kind for row in _written(run)] == ["Order", "Daily demand"]
    assert _written(run)[0].is_current is True

    submitted("order.updated", "2", ORDER)
    neural.run_due()
    submitted("order.cancelled", "3", {"order_id": "A-1"})
    neural.run_due()

    assert [row.is_current for row in _written(run)][:1] == [False]
    assert "a newer event has been taken since" in page(run)


def test_a_run_that_writes_none_of_them_links_what_other_runs_write_for_its_event() -> None:
    event = submitted("order.created", "1", ORDER)
    neural.run_due()
    other = world.run("dead", event=event, handler="app.print_ticket")

    assert [row.kind for row in _written(other)] == ["Order", "Daily demand"]
    assert "What is written for its event" in page(other)
    assert "What it wrote" in page(event.runs.get(handler="neural.record_order"))


def _written(run: TaskRun) -> Any:
    return world.superuser().get(world.page_of(run)).context["written"]


@pytest.mark.parametrize(
    ("kind", "payload", "rows"),
    [
        (
            "payment.completed",
            {"payment_id": "P", "order_id": "A-1", "amount": "1"},
            ["Payment", "Order"],
        ),
        ("inventory.updated", {"item": "flour", "level": "3"}, ["Stock level"]),
        ("dish.updated", {"dish": "D-1", "name": "Egg tart"}, ["Dish"]),
        ("day.closed", {"business_day": "2026-03-01"}, ["Day close"]),
        (
            "sales.reported",
            {"day": "2026-03-01", "lines": [{"dish": "D-1", "quantity": 2}]},
            ["Sales report", "Daily demand"],
        ),
        (
            "staff.scheduled",
            {
                "shift_id": "1",
                "staff_id": "2",
                "starts_at": "2026-03-01T08:00",
                "ends_at": "2026-03-01T16:00",
            },
            ["Shift"],
        ),
        ("item.sold_out", {"dish": "D-1"}, ["Sold-out report"]),
        ("store.opened", {}, ["Opening state"]),
        ("staff.clocked_in", {"timecard_id": "1", "staff_id": "2"}, ["Time card"]),
        (
            "menu.updated",
            {"complete": True, "items": [{"dish": "D", "name": "D"}]},
            ["Menu", "Dish"],
        ),
        ("feedback.received", {"text": "good"}, []),
    ],
)
def test_what_each_kind_of_event_wrote_is_found(kind: str, payload: Any, rows: list[str]) -> None:
    event = submitted(kind, "1", payload)
    neural.run_due()

    client = world.superuser()
    on_event = client.get(world.page_of(event)).context["panels"]
    found = [panel["context"]["written"] for panel in on_event if panel["of"].name == "written"]

    assert [row.kind for written in found for row in written] == rows
    for run in event.runs.all():
        assert [row.kind for row in _written(run)] == rows


def test_rows_that_the_user_may_not_view_are_left_out() -> None:
    event = submitted("order.created", "1", ORDER)
    neural.run_due()
    client = world.client_of("view_personal_data", "view_order")

    context = client.get(world.page_of(event.runs.get())).context

    assert [row.kind for row in context["written"]] == ["Order"]
