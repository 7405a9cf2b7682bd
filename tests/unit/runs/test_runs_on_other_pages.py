"""Pages of workers, orders and payments lead to runs."""

import pytest

import neural
from neural.models import WorkerProcess
from tests.unit.admin import admin_world as world
from tests.unit.runs.run_page_world import ORDER, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def test_a_workers_page_has_its_runs_under_way_and_its_last_ones_of_the_users_stores() -> None:
    worker = WorkerProcess.objects.create(name="w", host="h", process_id=1)
    held = world.run("running", task_id="t1", worker=worker)
    done = world.run("succeeded", task_id="t2", worker=worker)
    theirs = world.run("succeeded", task_id="t3", worker=worker, store=world.store("S2"))
    others = world.run("succeeded", task_id="t4")
    address = world.page_of(worker)

    root = world.superuser().get(address).content.decode()
    mine = world.client_of(stores=[world.store("S1")]).get(address).content.decode()

    for run, sees_root, sees_mine in (
        (held, True, True),
        (done, True, True),
        (theirs, True, False),
        (others, False, False),
    ):
        assert (world.page_of(run) in root, world.page_of(run) in mine) == (sees_root, sees_mine)


def test_the_page_of_an_order_and_of_a_payment_have_their_events_with_the_runs() -> None:
    placed = submitted("order.created", "1", ORDER)
    paid = submitted(
        "payment.completed", "2", {"payment_id": "P", "order_id": "A-1", "amount": "7.50"}
    )
    neural.run_due()
    order = world.named("order")._default_manager.get()
    payment = world.named("payment")._default_manager.get()
    client = world.superuser()

    of_order = client.get(world.page_of(order)).content.decode()
    of_payment = client.get(world.page_of(payment)).content.decode()

    for event in (placed, paid):
        assert world.page_of(event) in of_order
        assert world.page_of(event.runs.get()) in of_order
    assert world.page_of(paid) in of_payment
    assert world.page_of(paid.runs.get()) in of_payment
    assert world.page_of(placed) not in of_payment


def test_who_may_not_view_runs_or_events_finds_none_on_the_pages_of_orders_and_workers() -> None:
    placed = submitted("order.created", "1", ORDER)
    neural.run_due()
    order = world.named("order")._default_manager.get()
    client = world.client_of("view_order")
    user = client.get("/admin/").wsgi_request.user
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_taskrun"))

    shown = client.get(world.page_of(order)).content.decode()

    assert world.page_of(placed) in shown
    assert "/taskrun/" not in shown
