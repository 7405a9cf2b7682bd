"""Pushes that wait for their store go to it when its code is entered; old ones are deleted."""

import datetime as dt
import hashlib
import hmac
import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

import neural
from neural.health import Status
from neural.health.situation import Situation
from neural.hooks.health import webhook_sources
from neural.hooks.incoming import receiving, routing
from neural.hooks.incoming.routing import request_of
from neural.hooks.models import PushState, UnroutedPush
from neural.models import NeuralEvent, RunState, TaskRun
from tests.unit.factories import make_store
from tests.unit.health.doctoring import is_found
from tests.unit.hooks import hooks_world
from tests.unit.hooks.hooks_world import LOW, map_code, post, push_to_till, source
from tests.unit.side_by_side import on_postgresql, while_uncommitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def states() -> dict[str, str]:
    return dict(UnroutedPush.objects.values_list("push_id", "state"))


def low_of(store: str, level: int = 3) -> dict:
    return {**LOW, "store": store, "data": {"item": "flour", "level": level}}


def lows() -> list[tuple[str, str]]:
    return list(NeuralEvent.objects.filter(type="inventory.low").values_list("store", "event_id"))


def test_entering_a_code_routes_and_translates_what_waited_for_it():
    shops = source()
    post(low_of("0012"), "a")
    post(low_of("0013"), "b")

    map_code(shops, "0012", "S1")
    neural.run_due()

    assert states() == {"a": PushState.ROUTED, "b": PushState.WAITING}
    assert lows() == [("S1", "a")]
    routed = UnroutedPush.objects.get(push_id="a")
    assert (routed.event.event_id, routed.reason) == ("push:a", "")
    assert "0013" in UnroutedPush.objects.get(push_id="b").reason


def test_giving_a_source_its_store_routes_everything_that_waits():
    shops = source()
    post(low_of("0012"), "a")
    post(LOW, "b")

    shops.store = make_store("S1")
    shops.save()
    neural.run_due()

    assert sorted(lows()) == [("S1", "a"), ("S1", "b")]


def test_several_codes_that_are_saved_ask_for_one_run():
    shops = source()
    map_code(shops, "1", "S1")
    map_code(shops, "2", "S2")
    map_code(shops, "3", "S3")
    assert TaskRun.objects.count() == 1


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked_before", [False, True], ids=["no run waits", "a run waits"])
def test_a_push_that_comes_while_its_code_is_saved_is_routed(asked_before):
    shops = source()
    if asked_before:
        map_code(shops, "0013", "S2")

    def push_and_work():
        post(low_of("0012"), "a")
        neural.run_due()

    while_uncommitted(lambda: map_code(shops, "0012", "S1"), push_and_work)
    neural.run_due()

    assert states() == {"a": PushState.ROUTED}
    assert lows() == [("S1", "a")]


def test_a_push_that_comes_while_its_source_gets_its_store_is_routed(monkeypatch):
    """The source was read before the push; the run that looks for waiting pushes ends before it is
    kept."""
    shops = source()
    keep = receiving.keep_raw

    def keep_after_the_run(*args, **options):
        shops.store = make_store("S1")
        shops.save()
        neural.run_due()
        return keep(*args, **options)

    monkeypatch.setattr(receiving, "keep_raw", keep_after_the_run)
    post(LOW, "a")
    neural.run_due()

    assert states() == {"a": PushState.ROUTED}


def test_many_are_routed_slice_by_slice(monkeypatch):
    monkeypatch.setattr(routing, "SLICE", 2)
    shops = source()
    for number in range(5):
        post(low_of("0012", number), str(number))

    map_code(shops, "0012", "S1")
    neural.run_due()

    assert set(states().values()) == {PushState.ROUTED}
    assert TaskRun.objects.get(task=routing.ROUTE_TASK).result == {"routed": 5, "waiting": 0}


def test_a_push_that_came_again_after_its_code_was_entered_is_recorded_once():
    shops = source()
    post(low_of("0012"), "a")
    map_code(shops, "0012", "S1")
    post(low_of("0012"), "a")

    neural.run_due()

    assert states() == {"a": PushState.ROUTED}
    assert lows() == [("S1", "a")]


def test_both_contents_of_one_push_id_are_recorded():
    shops = source()
    post(low_of("0012", 3), "a")
    post(low_of("0012", 2), "a")

    map_code(shops, "0012", "S1")
    neural.run_due()

    assert set(states().values()) == {PushState.ROUTED}
    assert NeuralEvent.objects.filter(type="till.pushed").count() == 2


def test_what_could_not_be_read_is_read_again_when_it_is_routed():
    with hooks_world.till() as till:
        source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
        till.reads = False
        push_to_till({"id": "1"}, **{"X-Topic": "orders"})
        (kept,) = UnroutedPush.objects.all()
        assert kept.reason == "it could not be read: not today"

        assert not routing.route(kept)
        till.reads = True
        assert routing.route(kept)

    event = NeuralEvent.objects.get()
    assert (event.event_id, event.payload["body"]) == ("push:1", {"id": "1"})
    assert event.payload["headers"] == {"x-topic": "orders"}
    assert not routing.route(kept)  # it does not wait any more


@pytest.mark.parametrize("body", [b"{\xff", b'{"a": "\x00"}', '{"a": "汉"}'.encode(), b""])
def test_a_request_is_kept_raw_to_the_byte(body):
    source()
    post(body)

    assert request_of(UnroutedPush.objects.get()).body == body


def test_what_is_still_refused_goes_on_waiting_with_its_reason():
    source(store="S1")
    post(b'{"data": {"item": "\\u0000"}}')
    kept = UnroutedPush.objects.get()

    assert not routing.route(kept)

    kept.refresh_from_db()
    assert kept.state == PushState.WAITING
    assert "U+0000" in kept.reason


def test_a_dismissed_push_is_not_routed():
    shops = source()
    post(low_of("0012"), "a")
    UnroutedPush.objects.update(state=PushState.DISMISSED)

    map_code(shops, "0012", "S1")
    neural.run_due()

    assert not NeuralEvent.objects.exists()


# Old ones


def prune(**options):
    call_command("prune", stdout=io.StringIO(), **options)


def age(days: float) -> None:
    then = timezone.now() - dt.timedelta(days=days)
    NeuralEvent.objects.update(recorded_at=then)
    UnroutedPush.objects.update(received_at=then)


def test_what_was_pushed_is_emptied_after_a_week_and_its_events_stay():
    source(store="S1")
    post(LOW, "a")
    neural.run_due()

    age(6.9)
    prune()
    assert NeuralEvent.objects.get(type="till.pushed").payload
    age(7.1)
    prune(dry_run=True)
    assert NeuralEvent.objects.get(type="till.pushed").payload
    prune()

    pushed = NeuralEvent.objects.get(type="till.pushed")
    assert (pushed.payload, pushed.pruned_at is None) == (None, False)
    assert NeuralEvent.objects.get(type="inventory.low").payload == LOW["data"]
    assert post(LOW, "a").status_code == 200  # still known as the same
    assert NeuralEvent.objects.filter(type="till.pushed").count() == 1


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.DEAD])
def test_what_a_run_still_needs_is_not_emptied(state):
    source(store="S1")
    post(LOW if state == RunState.PENDING else {"type": "inventory.low"}, "a")
    if state == RunState.DEAD:
        neural.run_due()
    assert TaskRun.objects.get().state == state

    age(30)
    prune()

    assert NeuralEvent.objects.get().payload


def test_pushes_of_other_ways_and_other_events_keep_their_payloads():
    make_store("S1")
    payload = {"vendor": "standard", "body": LOW}
    of = {"store": "S1", "source": "python", "event_id": "1"}
    neural.submit(type="till.pushed", payload=payload, **of).or_raise()
    TaskRun.objects.all().delete()

    age(30)
    prune()

    assert NeuralEvent.objects.get().payload


def test_old_pushes_that_wait_are_kept_and_finished_ones_deleted():
    source()
    for push_id in "abc":
        post(low_of("9"), push_id)
    UnroutedPush.objects.filter(push_id="b").update(state=PushState.ROUTED)
    UnroutedPush.objects.filter(push_id="c").update(state=PushState.DISMISSED)

    age(6.9)
    prune()
    assert len(states()) == 3
    age(7.1)
    prune()

    assert states() == {"a": PushState.WAITING}


# The probe


def test_doctor_names_sources_that_cannot_check_signatures(settings):
    source("gone", platform="gone")
    source("empty", credentials={})
    source("off", credentials={}, active=False)
    source("fine")

    found = webhook_sources(Situation())
    assert is_found(found, Status.PROBLEM, "empty, gone", "enter the credentials")
    settings.SECRET_KEY = "another"
    assert "fine" in webhook_sources(Situation()).found


def test_doctor_says_that_pushes_wait_for_their_store():
    source()
    assert is_found(webhook_sources(Situation()), Status.OK, "1 active source", "")
    post(low_of("9"))

    assert is_found(webhook_sources(Situation()), Status.WARNING, "wait", "enter their store codes")
    UnroutedPush.objects.get().dismiss()
    assert webhook_sources(Situation()).status == Status.OK


# A platform that never sends again


def deliverect(body: dict, *, secret: str = "s3cret") -> Any:
    """Post what Deliverect signs with this secret."""
    raw = json.dumps(body).encode()
    made = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"x-server-authorization-hmac-sha256": made}
    return Client().post("/hooks/kitchen", raw, content_type="application/json", headers=headers)


READY = {
    "orderId": "61ba5c8a",
    "status": 70,
    "timeStamp": "2021-12-15T21:30:00.000000Z",
    "location": "L1",
}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (READY | {"status": 33}, "event"),
        (READY | {"location": "L2"}, "raw"),
        (READY | {"location": {}}, "raw"),
        (READY | {"timeStamp": "yesterday"}, "raw"),
    ],
    ids=["a status that is not known", "of no store", "of no code", "at no time"],
)
def test_what_deliverect_sends_once_is_kept_whatever_is_wrong_with_it(body, kept):
    chain = source(platform="deliverect", credentials={"secret": "s3cret"})
    map_code(chain, "L1", "S1")

    answer = deliverect(body)
    neural.run_due()

    assert answer.status_code == 200
    assert NeuralEvent.objects.filter(type="till.pushed").exists() is (kept == "event")
    assert UnroutedPush.objects.exists() is (kept == "raw")


def test_what_deliverect_sends_before_its_secret_was_entered_is_checked_and_told_afterwards():
    chain = source(platform="deliverect", credentials={}, store="S1")

    assert deliverect(READY).status_code == 200
    assert deliverect(READY | {"status": 90}, secret="forged").status_code == 200
    neural.run_due()
    assert not NeuralEvent.objects.exists()
    assert "its signature was not checked: credentials are missing" in unrouted_reasons()[0]

    chain.credentials = {"secret": "s3cret"}
    chain.save()
    neural.run_due()

    (told,) = NeuralEvent.objects.filter(type="order.status_changed")
    assert told.payload["status"] == "ready"
    (left,) = UnroutedPush.objects.filter(state=PushState.WAITING)
    assert left.reason == "its signature is refused: the signature is wrong"


def test_what_nobody_could_check_is_kept_within_bounds(monkeypatch):
    monkeypatch.setattr(receiving, "MOST_UNCHECKED", 1)
    source(platform="deliverect", credentials={}, store="S1")

    answers = [deliverect(READY | {"status": status}).status_code for status in (70, 80)]

    assert answers == [200, 503]
    assert UnroutedPush.objects.count() == 1


def test_an_error_while_the_signature_is_checked_loses_nothing_that_is_sent_once(monkeypatch):
    monkeypatch.setattr(hooks_world.Till, "sends_once", True)
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    with hooks_world.till() as till:
        till.breaks["verify"] = RuntimeError("phone 13800000000")
        assert push_to_till({"id": "1"}).status_code == 200
        assert unrouted_reasons() == ["its signature was not checked: RuntimeError"]

        del till.breaks["verify"]
        assert routing.route(UnroutedPush.objects.get())


def unrouted_reasons() -> list[str]:
    return list(UnroutedPush.objects.order_by("pk").values_list("reason", flat=True))
