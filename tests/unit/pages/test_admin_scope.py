"""A store's rows stay with the store, and what is history cannot be edited by anybody."""

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from neural.models import WorkerProcess
from neural.restaurant.models import Order, Payment
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

HISTORY = [
    name._meta.model_name
    for name in admin.site._registry
    if name._meta.app_label in world.OURS
    # People write these.
    and name._meta.model_name
    not in (
        *("store", "trainingplan", "apikey", "webhooksource", "storecode", "subscription"),
        *("alertchannel", "examination", "retention"),
    )
]


def order(at: str, number: str) -> Order:
    return Order.objects.create(store=world.store(at), key=number, number=number)


def test_a_limited_user_lists_the_rows_of_their_own_stores_alone() -> None:
    mine, theirs = world.event("mine"), world.event("theirs", at="S2")
    world.run(event=mine, handler="h", task_id="a")
    world.run(event=theirs, handler="h", task_id="b", store=theirs.store)
    order("S1", "mine")
    order("S2", "theirs")
    client = world.client_of("view_order", stores=[world.store("S1")])

    for model in ("neuralevent", "taskrun", "order", "store"):
        found = client.get(world.list_of(model)).context["cl"].result_list
        stores = {getattr(row, "store_id", row.pk) for row in found}
        assert stores == {"S1"}, model


def test_another_stores_page_is_as_if_it_did_not_exist() -> None:
    event = world.event(at="S2")
    run = world.run(event=event, handler="h", store=event.store)
    client = world.client_of("view_order", "change_store", stores=[world.store("S1")])

    for row in (event, run, order("S2", "1"), event.store):
        for address in (world.page_of(row), world.page_of(row).replace("/change/", "/history/")):
            answer = client.get(address)
            assert answer.status_code in (302, 404)
            assert answer.get("Location", "/admin/") == "/admin/"


def test_neither_search_nor_filters_reach_another_stores_rows() -> None:
    event = world.event("their-event", at="S2")
    world.run(event=event, handler="h", task_id="their-run", store=event.store)
    client = world.client_of(stores=[world.store("S1")])

    for model, query in [
        ("neuralevent", "q=their-event"),
        ("neuralevent", "q=their-run"),
        ("neuralevent", "store=S2"),
        ("taskrun", "text=their-event"),
        ("taskrun", "text=their-run"),
        ("taskrun", "text=S2"),
        ("taskrun", "work=h"),
    ]:
        found = client.get(f"{world.list_of(model)}?{query}").context["cl"].result_list
        assert not found, (model, query)


def test_the_choices_of_the_store_filter_are_the_users_own_stores() -> None:
    world.store("S2")
    client = world.client_of(stores=[world.store("S1")])

    page = client.get(world.list_of("neuralevent")).content.decode()

    assert '<option value="S1">' in page
    assert 'value="S2"' not in page


def test_autocompletion_finds_the_users_own_rows_and_counts_nothing(
    django_assert_max_num_queries, django_db_blocker
) -> None:
    world.event("mine")
    world.event("theirs", at="S2")
    client = world.client_of(stores=[world.store("S1")])
    address = reverse("admin:autocomplete")

    with django_assert_max_num_queries(12) as queries:
        answer = client.get(
            address, {"app_label": "neural", "model_name": "taskrun", "field_name": "event"}
        )

    assert [each["text"] for each in answer.json()["results"]] == ["order.created mine"]
    assert not [each for each in queries if "COUNT(" in each["sql"]]


def test_who_may_not_see_runs_does_not_see_them_on_an_events_page() -> None:
    event = world.event()
    world.run(event=event, handler="secret.handler")
    user_client = world.client_of()
    user = user_client.get(world.page_of(event)).context["user"]
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_taskrun"))

    page = user_client.get(world.page_of(event)).content.decode()
    listed = user_client.get(world.list_of("neuralevent")).context["cl"].list_display

    assert "secret.handler" not in page
    assert "run_states" not in listed


@pytest.mark.parametrize("model", HISTORY)
def test_nobody_adds_history(model: str) -> None:
    assert world.superuser().get(world.list_of(model) + "add/").status_code == 403


def test_nobody_changes_or_deletes_history() -> None:
    event = world.event()
    worker = WorkerProcess.objects.create(name="w", host="h", process_id=1)
    payment = Payment.objects.create(
        store=event.store,
        order=order("S1", "1"),
        key="p",
        reference="p",
        kind="payment",
        amount=1,
        occurred_at=timezone.now(),
    )
    client = world.superuser()

    for row in (event, world.run(), worker, payment, payment.order):
        address = world.page_of(row)
        assert client.get(address).status_code == 200
        assert client.post(address, {"type": "other"}).status_code == 403
        assert (
            client.post(address.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403
        )


def test_a_store_is_not_deleted_by_anybody() -> None:
    store = world.store()

    answer = world.superuser().post(world.page_of(store).replace("/change/", "/delete/"))

    assert answer.status_code == 403


def test_only_who_sees_every_store_decides_who_sees_a_store() -> None:
    store = world.store()
    client = world.client_of("change_store", "add_store", stores=[store])
    form = {"name": "New", "brand": "", "region": "", "time_zone": "Asia/Shanghai"}

    answer = client.post(world.page_of(store), {**form, "day_ends_at": "03:00", "operators": []})

    store.refresh_from_db()
    assert answer.status_code == 302
    assert store.name == "New"
    assert store.operators.count() == 1
    assert client.get(reverse("admin:neural_store_add")).status_code == 403


def test_a_store_that_a_person_adds_is_confirmed_unless_they_say_otherwise() -> None:
    page = world.superuser().get(reverse("admin:neural_store_add"))

    assert page.context["adminform"].form["confirmed"].value() is True


@pytest.mark.parametrize("key", [str(2**63), "9" * 400])
def test_a_user_whose_key_no_database_can_hold_is_a_wrong_choice(key: str) -> None:
    store = world.store()
    form = {"time_zone": "Asia/Tokyo", "day_ends_at": "02:30", "operators": [key]}

    answer = world.superuser().post(world.page_of(store), form)

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["operators"]
    assert not store.operators.exists()


def test_a_store_is_edited_but_keeps_its_code() -> None:
    store = world.store()
    form = {"code": "S9", "name": "Bund", "time_zone": "Mars/Olympus", "day_ends_at": "02:30"}
    client = world.superuser()

    refused = client.post(world.page_of(store), form)
    client.post(world.page_of(store), {**form, "time_zone": "Asia/Tokyo", "confirmed": "on"})

    assert "not a time zone" in refused.content.decode()
    store.refresh_from_db()
    assert (store.code, store.name, store.time_zone) == ("S1", "Bund", "Asia/Tokyo")
    assert store.confirmed
