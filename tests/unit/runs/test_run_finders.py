"""Runs are found by the numbers of orders and payments, within the user's stores."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from neural.kit.keyset.walks import Place
from neural.models import NeuralEvent, Store, TaskRun
from neural.restaurant.keys import order_key
from neural.restaurant.models import Order, Payment
from neural.restaurant.models.newest import version_of
from neural.restaurant.run_pages import ORDER, PAYMENT, orders_of
from neural.runs.lookups import readings_of
from neural.runs.query import RunQuery
from neural.runs.selecting import select
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db


def ordered(number: str, *, at: str = "S1", event_id: str = "e1") -> Order:
    """An order, the event that stated it, and that event's run."""
    payload = {"order_id": number, "currency": "CNY", "lines": []}
    event = world.event(event_id, at=at, payload=payload)
    world.run(task_id=f"run-of-{event_id}", event=event, store=event.store)
    return Order.objects.create(
        store=event.store, key=number, number=number, content_version=version_of(event)
    )


def paid(order: Order, reference: str, event_id: str) -> Payment:
    event = world.event(
        event_id,
        at=order.store_id,
        kind="payment.completed",
        payload={"payment_id": reference, "order_id": order.key, "amount": "1.00"},
    )
    world.run(task_id=f"run-of-{event_id}", event=event, store=event.store)
    return Payment.objects.create(
        store=order.store,
        kind="payment",
        key=reference,
        reference=reference,
        order=order,
        amount=1,
        occurred_at=timezone.now(),
        version=version_of(event),
    )


def found(user: Any, **params: str) -> list[str]:
    keys = select(RunQuery.from_params(params), user).page(place=Place(), size=50).keys
    return [TaskRun.objects.get(pk=key).task_id for key in keys]


def chief() -> Any:
    return get_user_model().objects.create_superuser("chief")


def test_an_orders_number_finds_the_runs_of_all_its_events() -> None:
    order = ordered("A-58")
    paid(order, "P-7", "e2")
    ordered("A-59", event_id="e3")

    assert found(user := chief(), text="A-58") == ["run-of-e2", "run-of-e1"]
    assert found(user, order="A-58", state="dead") == []


def test_a_payments_id_finds_the_run_of_its_event() -> None:
    paid(ordered("A-58"), "P-7", "e2")

    assert found(user := chief(), text="P-7") == ["run-of-e2"]
    assert found(user, payment="P-8") == []


@pytest.mark.parametrize("text", ["A-58", "P-7"])
def test_orders_of_other_stores_are_not_found(text: str) -> None:
    paid(ordered("A-58", at="S2"), "P-7", "e2")
    user = get_user_model().objects.create_user("lee", is_staff=True)
    world.store("S1").operators.add(user)

    assert readings_of(text, user) == [("error", text)]
    assert found(user, order="A-58") == found(user, payment="P-7") == []
    assert ORDER.find(user, text, 10) == PAYMENT.find(user, text, 10) == []


def test_a_row_names_the_order_and_links_to_it_if_there_is_one_of_that_number() -> None:
    order = ordered("A-58")
    unknown = world.event("e9", payload={"order_id": "A-99"})
    of_none = world.event("e8", payload={"date": "2026-01-01"})
    odd = world.event("e7", payload={"order_id": {"a": 1}})
    events = list(NeuralEvent.objects.defer("payload"))

    about = orders_of(events, chief())

    (shown,) = about[NeuralEvent.objects.get(event_id="e1").pk]
    assert shown.text == "order A-58"
    assert shown.address.endswith(f"/order/{order.pk}/change/")
    assert about[unknown.pk][0].address == ""
    assert of_none.pk not in about
    assert odd.pk not in about or isinstance(about[odd.pk][0].text, str)


@pytest.mark.parametrize("number", ["A/58", "A%58", "/58", "%58"])
def test_a_row_links_to_an_order_whose_id_has_a_slash_or_a_percent_sign(number: str) -> None:
    order = ordered(number)
    Order.objects.filter(pk=order.pk).update(key=order_key(order_id=number))

    about = orders_of(list(NeuralEvent.objects.all()), chief())

    (shown,) = about[NeuralEvent.objects.get(event_id="e1").pk]
    assert shown.text == f"order {number}"
    assert shown.address.endswith(f"/order/{order.pk}/change/")


def test_of_orders_with_one_number_the_runs_of_the_newest_come_first() -> None:
    for place in range(7):
        ordered("A-58", event_id=f"e{place}", at=f"S{place}")

    events = NeuralEvent.objects.in_bulk(ORDER.find(chief(), "A-58", 3))

    assert {each.event_id for each in events.values()} == {"e6", "e5", "e4"}


def test_a_user_who_may_not_view_orders_gets_no_link() -> None:
    ordered("A-58")
    user = get_user_model().objects.create_user("lee", is_staff=True)
    Store.objects.get(pk="S1").operators.add(user)

    (about,) = orders_of(list(NeuralEvent.objects.all()), user).values()

    assert [each.address for each in about] == [""]
