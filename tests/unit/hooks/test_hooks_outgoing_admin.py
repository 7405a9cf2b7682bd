"""People make subscriptions of their stores in the admin, and see what became of deliveries."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from neural.hooks.models import (
    Delivery,
    DeliveryState,
    PauseReason,
    Subscription,
    SubscriptionState,
)
from neural.hooks.outgoing import subscribed
from neural.hooks.outgoing.messages import rotate_secret
from neural.kit.outbound import client
from neural.models import NeuralEvent
from tests.unit.admin import admin_world as world
from tests.unit.hooks.subscribing import STOCK, happens, only, subscribe

pytestmark = pytest.mark.django_db

LIST = "admin:neural_hooks_subscription_changelist"
ADD = "admin:neural_hooks_subscription_add"
DELIVERIES = "admin:neural_hooks_delivery_changelist"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
ALL = (
    "view_subscription",
    "add_subscription",
    "change_subscription",
    "delete_subscription",
    "pause_subscription",
    "rotate_subscription",
    "send_subscription",
    "view_delivery",
)
URL = "https://erp.example/hook"


@pytest.fixture(autouse=True)
def _world(fake_broker, monkeypatch):
    """Every name is a public address, so that no test depends on the network."""
    monkeypatch.setattr(client, "resolved", lambda host, port: ["93.184.215.14"])
    subscribed.forget()
    yield
    subscribed.forget()


def form(**fields):
    given = {"name": "ERP", "url": URL, "types": f"{STOCK}\nrun.dead\n\n{STOCK}"}
    return {**given, "every_store": "on", **fields}


def own_store(client_stores=("S1",), **options):
    return world.client_of(*ALL, stores=[world.store(code) for code in client_stores], **options)


def act(client, row, verb):
    name = f"admin:neural_hooks_{row._meta.model_name}_act"
    return client.post(reverse(name, args=[row.pk, verb]))


def page_of(client, row):
    return client.get(world.page_of(row))


def test_a_new_subscription_shows_its_secret_once():
    client = world.client_of(*ALL)
    answer = client.post(reverse(ADD), form())
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    (secret,) = set(SECRET.findall(answer.content.decode()))
    subscription = Subscription.objects.get()
    assert subscription.secrets == [{"secret": secret, "until": None}]
    assert subscription.types == [STOCK, "run.dead"]
    assert subscription.every_store
    assert subscription.created_by.get_username() == "lee"
    for address in (world.page_of(subscription), reverse(LIST), reverse("admin:index")):
        assert secret not in client.get(address).content.decode()
    assert secret not in str(LogEntry.objects.values_list())
    assert secret not in str(dict(client.session))
    assert secret not in str(client.cookies)


def test_the_database_holds_no_secret_in_the_clear():
    secret = rotate_secret(subscribe(URL), now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM neural_hooks_subscription")
        assert secret not in str(cursor.fetchall())


def test_a_new_secret_is_confirmed_first_audited_and_shown_once():
    client = world.client_of(*ALL)
    subscription = subscribe(URL)
    former = subscription.secrets[0]["secret"]
    address = reverse("admin:neural_hooks_subscription_rotate", args=[subscription.pk])
    assert not SECRET.search(client.get(address).content.decode())
    answer = client.post(address)
    assert "no-store" in answer["Cache-Control"]
    (secret,) = set(SECRET.findall(answer.content.decode()))
    subscription.refresh_from_db()
    assert [each["secret"] for each in subscription.secrets] == [secret, former]
    assert "new secret" in LogEntry.objects.get().change_message


def test_a_new_secret_needs_the_permission():
    client = world.client_of("view_subscription", "change_subscription")
    subscription = subscribe(URL)
    address = reverse("admin:neural_hooks_subscription_rotate", args=[subscription.pk])
    assert client.post(address).status_code == 403
    assert "rotate" not in page_of(client, subscription).content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "http://erp.example/"}, "must begin with https://"),
        ({"url": "https://user:word@erp.example/"}, "must not contain a user name"),
        ({"url": "https://2130706433/"}, "neither the name of a host nor an IP address"),
        ({"types": "ordre.*"}, "Nothing is ever called “ordre.*”"),
        ({"types": "\n \n"}, "This field is required"),
        ({"types": "\n".join(f"a{n}.b" for n in range(200))}, "At most 100 types"),
        ({"every_store": ""}, "Choose the stores"),
        ({"every_store": "on", "stores": ["S1"]}, "Leave this empty for every store"),
    ],
)
def test_what_cannot_work_is_said_at_the_field(fields, said):
    world.store()
    answer = world.client_of(*ALL).post(reverse(ADD), form(**fields))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Subscription.objects.exists()


def test_an_address_in_the_own_network_is_refused_when_it_is_saved(monkeypatch):
    monkeypatch.setattr(client, "resolved", lambda host, port: ["10.0.0.7"])
    answer = world.client_of(*ALL).post(reverse(ADD), form())
    assert "erp.example is 10.0.0.7, which is not an address in the public" in (
        answer.content.decode()
    )


def test_the_refusal_of_an_address_is_in_the_readers_language(monkeypatch):
    monkeypatch.setattr("django.utils.translation.gettext", lambda text: f"翻译 {text}")
    answer = world.client_of(*ALL).post(reverse(ADD), form(url="https://erp.example:25/"))
    assert "翻译 The port 25 is another" in answer.content.decode()


def test_a_change_keeps_the_secret_and_replaces_the_types():
    client = world.client_of(*ALL)
    subscription = subscribe(URL, "order.*", STOCK)
    before = subscription.secrets
    answer = client.post(world.page_of(subscription), form(types="*"))
    assert answer.status_code == 302
    subscription = Subscription.objects.get()
    assert (subscription.types, subscription.secrets) == (["*"], before)


def test_a_change_leaves_what_workers_note_meanwhile(monkeypatch):
    subscription = subscribe(URL, STOCK)
    gone = {"state": SubscriptionState.PAUSED, "paused_reason": PauseReason.GONE, "failures": 7}

    def look_up(url):
        Subscription.objects.update(**gone)

    monkeypatch.setattr("neural.kit.outbound.client.check_url", look_up)
    answer = world.client_of(*ALL).post(world.page_of(subscription), form(name="ERP 2"))
    assert answer.status_code == 302
    assert Subscription.objects.filter(name="ERP 2", **gone).exists()


def test_who_may_only_view_sees_types_and_state_and_no_form():
    subscription = subscribe(URL, "order.*", stores=["S1"])
    client = world.client_of("view_subscription")
    shown = page_of(client, subscription).content.decode()
    assert "order.*" in shown
    assert "<textarea" not in shown
    assert client.post(world.page_of(subscription), form()).status_code == 403


# Stores


def test_a_user_of_some_stores_sees_subscriptions_of_these_alone():
    mine = subscribe(URL, name="mine", stores=["S1"])
    others = [
        subscribe(URL, name="chain-wide"),
        subscribe(URL, name="another store's", stores=["S2"]),
        subscribe(URL, name="mine and another's", stores=["S1", "S2"]),
        subscribe(URL, name="of no store", every_store=False),
    ]
    client = own_store()
    shown = client.get(reverse(LIST)).content.decode()
    assert "mine" in shown
    for other in others:
        assert f">{other.name}<" not in shown
        assert page_of(client, other).status_code == 302  # Django: it does not exist
        for verb in ("pause", "resume", "send_test"):
            assert act(client, other, verb).status_code == 404
        address = reverse("admin:neural_hooks_subscription_rotate", args=[other.pk])
        assert client.post(address).status_code == 404
    assert page_of(client, mine).status_code == 200
    assert not Delivery.objects.exists()


def test_a_user_of_some_stores_makes_subscriptions_of_these_alone():
    world.store("S2")
    client = own_store()
    answer = client.post(reverse(ADD), form(stores=["S2"]))
    assert answer.status_code == 200
    assert not Subscription.objects.exists()
    client.post(reverse(ADD), form(stores=["S1"]))  # every_store is ignored: it is no field
    subscription = Subscription.objects.get()
    assert not subscription.every_store
    assert [store.pk for store in subscription.stores.all()] == ["S1"]


def test_a_user_of_some_stores_sees_deliveries_of_these_alone():
    subscribe(URL, name="mine", stores=["S1"])
    subscribe(URL, name="chain-wide")
    happens("1", store="S1")
    happens("2", store="S2")
    client = own_store()
    shown = client.get(reverse(DELIVERIES)).content.decode()
    assert shown.count("field-state_and_answer") == 1
    for delivery in Delivery.objects.select_related("subscription"):
        is_mine = delivery.subscription.name == "mine"
        assert page_of(client, delivery).status_code == (200 if is_mine else 302)
        assert act(client, delivery, "send_again").status_code == (302 if is_mine else 404)


# Verbs


def test_pause_and_resume_are_audited():
    client = world.client_of(*ALL)
    subscription = subscribe(URL)
    act(client, subscription, "pause")
    subscription.refresh_from_db()
    assert (subscription.state, subscription.paused_reason) == ("paused", PauseReason.BY_HAND)
    assert "Paused: nothing is sent" in page_of(client, subscription).content.decode()
    act(client, subscription, "resume")
    subscription.refresh_from_db()
    assert (subscription.state, subscription.paused_reason) == ("active", "")
    said = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert ["(pause)" in said[0], "(resume)" in said[1]] == [True, True]


@pytest.mark.parametrize("verb", ["pause", "resume", "send_test"])
def test_a_verb_needs_its_permission(verb):
    subscription = subscribe(URL)
    assert act(world.client_of("view_subscription"), subscription, verb).status_code == 403
    assert not Delivery.objects.exists()


def test_a_test_message_of_a_limited_user_can_be_seen_by_that_user():
    subscription = subscribe(URL, stores=["S1"])
    client = own_store()
    act(client, subscription, "send_test")
    assert only().type == "webhook.test"
    assert page_of(client, only()).status_code == 200


# Deliveries


def delivered(**fields):
    Delivery.objects.update(state=DeliveryState.DELIVERED, task_id="t1", attempts=1, **fields)


def test_a_delivery_shows_what_is_sent_and_what_was_answered():
    subscribe(URL)
    event = happens("1001")
    delivered(answer_status=200, answer="<b>taken</b>")
    shown = page_of(world.client_of(*ALL), only()).content.decode()
    assert "&lt;b&gt;taken&lt;/b&gt;" in shown
    assert "&quot;event_id&quot;: &quot;1001&quot;" in shown
    assert only().message_id in shown
    assert world.page_of(event) in shown


def test_a_delivery_whose_payload_was_pruned_says_so():
    subscribe(URL)
    happens()
    NeuralEvent.objects.update(payload=None, pruned_at=timezone.now())
    assert "was pruned" in page_of(world.client_of(*ALL), only()).content.decode()


def test_send_again_makes_it_wait_for_a_new_run():
    subscribe(URL)
    happens()
    delivered()
    act(world.client_of(*ALL), only(), "send_again")
    assert (only().state, only().task_id) == (DeliveryState.PENDING, "")
    assert "(send again)" in LogEntry.objects.get().change_message


def test_a_delivery_is_found_by_the_id_that_its_receiver_saw():
    subscribe(URL)
    for number in range(3):
        happens(str(number))
    client = world.client_of(*ALL)
    wanted = Delivery.objects.first()
    for term in (wanted.message_id, wanted.event.event_id):
        shown = client.get(reverse(DELIVERIES), {"q": term}).content.decode()
        assert shown.count("field-state_and_answer") == 1
    for term in ("msg_0000000000000000_1", "msg_x", "msg_", f"msg_{'9' * 50}"):
        shown = client.get(reverse(DELIVERIES), {"q": term}).content.decode()
        assert shown.count("field-state_and_answer") == 0


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"state": "failed"}, 1),
        ({"state": "pending"}, 2),
        ({"state": "delivered"}, 0),
        ({"type": STOCK}, 3),
        ({"type": "order.stated"}, 0),
        ({"store": "S1"}, 2),
        ({"subscription": "x"}, 0),
        ({"subscription": "0"}, 0),
    ],
)
def test_deliveries_can_be_filtered(filters, count):
    subscribe(URL)
    for number, store in enumerate(("S1", "S1", "S2")):
        happens(str(number), store=store)
    Delivery.objects.filter(store="S2").update(state=DeliveryState.FAILED)
    shown = world.client_of(*ALL).get(reverse(DELIVERIES), filters).content.decode()
    assert shown.count("field-state_and_answer") == count


def test_the_page_of_an_event_shows_its_deliveries_to_who_may_see_them():
    subscribe(URL, name="chain-wide")
    event = happens()
    shown = page_of(world.client_of(*ALL), event).content.decode()
    assert world.page_of(only()) in shown
    assert "webhook-deliveries" not in page_of(own_store(name="kim"), event).content.decode()
    assert "webhook-deliveries" not in page_of(world.client_of(name="li"), event).content.decode()


def test_a_subscription_with_deliveries_can_be_deleted_and_leaves_no_broken_page():
    subscription = subscribe(URL)
    event = happens()
    client = world.client_of(*ALL)
    address = reverse("admin:neural_hooks_subscription_delete", args=[subscription.pk])
    assert client.post(address, {"post": "yes"}).status_code == 302
    assert not Subscription.objects.exists()
    for address in (reverse(DELIVERIES), world.page_of(event), world.page_of(only())):
        assert client.get(address).status_code in (200, 302)
