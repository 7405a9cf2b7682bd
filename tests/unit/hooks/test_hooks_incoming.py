"""What platforms push is taken if its signature is right, and is then never lost."""

import base64
import io
import logging
from types import SimpleNamespace

import pytest
from django.db import DataError, OperationalError
from django.test import Client
from django.utils import timezone

from neural.hooks.incoming import receiving, recording, views
from neural.hooks.models import PushState, UnroutedPush, WebhookSource
from neural.models import NeuralEvent, RefusedEvent, TaskRun
from tests.unit.hooks import hooks_world
from tests.unit.hooks.hooks_world import (
    LOW,
    OLD_SECRET,
    SECRET,
    map_code,
    post,
    push_to_till,
    sign,
    source,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def till():
    with hooks_world.till() as platform:
        yield platform


def pushed() -> list[tuple[str, str, str]]:
    return list(
        NeuralEvent.objects.filter(type="till.pushed").values_list("store", "source", "event_id")
    )


def unrouted() -> UnroutedPush:
    return UnroutedPush.objects.get()


# What is taken


def test_a_signed_push_is_committed_as_an_event_of_its_store_before_it_is_answered():
    source(store="S1")

    assert post().status_code == 200

    event = NeuralEvent.objects.get()
    assert pushed() == [("S1", "kitchen", "push:p1")]
    assert event.payload == {"vendor": "standard", "body": LOW, "headers": {}}
    assert TaskRun.objects.get().requested_by == "webhook kitchen"


def test_a_push_is_accepted_with_redis_gone(fake_broker):
    source(store="S1")
    fake_broker.away = True

    assert post().status_code == 200

    assert pushed() == [("S1", "kitchen", "push:p1")]
    assert TaskRun.objects.get().state == "pending"


def test_the_same_push_again_is_answered_as_received_and_changes_nothing():
    source(store="S1")

    assert [post().status_code, post(age=60).status_code] == [200, 200]

    assert len(pushed()) == 1
    assert TaskRun.objects.count() == 1


def test_another_content_under_the_same_push_id_is_kept_beside_the_first():
    source(store="S1")
    other = {**LOW, "data": {"item": "flour", "level": 2}}

    assert [post().status_code, post(other).status_code] == [200, 200]
    assert [post().status_code, post(other).status_code] == [200, 200]  # both came before

    first, second = NeuralEvent.objects.order_by("pk")
    assert (first.event_id, first.payload["body"]) == ("push:p1", LOW)
    assert second.event_id.startswith("push:p1:")
    assert second.payload["body"] == other
    assert not RefusedEvent.objects.exists()


def test_a_push_is_of_the_store_that_its_code_names():
    shops = source()
    map_code(shops, "0012", "S1")
    map_code(shops, "0013", "S2")

    post({**LOW, "store": "0013"})

    assert pushed() == [("S2", "kitchen", "push:p1")]


def test_a_code_of_its_own_outranks_the_store_of_the_source():
    shops = source(store="S1")
    map_code(shops, "0013", "S2")

    post({**LOW, "store": "0013"}, "a")
    post({**LOW, "store": "0099"}, "b")

    assert sorted(pushed()) == [("S1", "kitchen", "push:b"), ("S2", "kitchen", "push:a")]


def test_a_code_of_another_source_is_unknown():
    source()
    map_code(source("other"), "0013", "S2")

    assert post({**LOW, "store": "0013"}).status_code == 200

    assert not NeuralEvent.objects.exists()
    assert unrouted().store_code == "0013"


def test_a_time_that_no_event_may_have_does_not_refuse_a_push():
    source(store="S1")

    assert post({**LOW, "timestamp": "2999-01-01T00:00:00Z"}).status_code == 200

    assert len(pushed()) == 1
    assert NeuralEvent.objects.get().occurred_at.year < 2999


def test_a_push_id_that_is_too_long_for_an_event_is_shortened_by_a_hash(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")

    push_to_till({"id": "x" * 300 + "1"})
    push_to_till({"id": "x" * 300 + "2"})
    push_to_till({"id": "x" * 300 + "2"})

    assert [len(event_id) for _, _, event_id in pushed()] == [200, 200]


def test_only_the_headers_that_translating_needs_are_kept(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")

    push_to_till({"id": "1"}, **{"X-Topic": "orders", "X-Other": "y"})

    assert NeuralEvent.objects.get().payload["headers"] == {"x-topic": "orders"}


def test_a_body_in_chunks_is_read_where_the_server_finds_its_end(rf):
    source(store="S1")
    body = b'{"type": "inventory.low", "data": {}}'
    now = hooks_world.time.time()
    request = rf.post("/hooks/kitchen", body, content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    request.META |= {
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "HTTP_WEBHOOK_ID": "p1",
        "HTTP_WEBHOOK_TIMESTAMP": str(int(now)),
        "HTTP_WEBHOOK_SIGNATURE": sign("p1", int(now), body),
    }

    assert views.receive_push(request, "kitchen").status_code == 200

    assert NeuralEvent.objects.get().payload["body"]["type"] == "inventory.low"


# Who is refused


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook_signature": sign("p1", 0, b"{}")},
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "v2," + sign("p1", 0, b"{}")[3:]},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,\xff v1"},
        {"webhook_id": "p2"},
        {"webhook_id": ""},
        {"webhook_timestamp": "1"},
        {"webhook_timestamp": "١٢٣"},
        {"webhook_timestamp": "9" * 40},
        {"webhook_timestamp": ""},
    ],
)
def test_a_forged_push_is_refused_and_nothing_is_kept(forged):
    source(store="S1")

    assert post(**forged).status_code == 401

    assert not NeuralEvent.objects.exists()
    assert not UnroutedPush.objects.exists()


@pytest.mark.parametrize(("age", "status"), [(299, 200), (-299, 200), (302, 401), (-302, 401)])
def test_a_signed_time_outside_of_the_tolerance_is_refused(age, status, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(hooks_world, "time", SimpleNamespace(time=now.timestamp))
    monkeypatch.setattr(views, "timezone", SimpleNamespace(now=lambda: now))
    source(store="S1")

    assert post(age=age).status_code == status

    assert NeuralEvent.objects.exists() is (status == 200)


def test_while_a_secret_is_changed_both_are_taken():
    source(store="S1", credentials={"secret": f"{SECRET} {OLD_SECRET}"})
    now = int(hooks_world.time.time())
    old = sign("p1", now, b'{"a": 1}', OLD_SECRET)

    answer = post(b'{"a": 1}', webhook_timestamp=str(now), webhook_signature=f"v1a,x v1,x {old}")

    assert answer.status_code == 200


@pytest.mark.parametrize("credentials", [{}, {"secret": ""}])
def test_an_empty_secret_never_proves_anything(credentials, caplog):
    source(store="S1", credentials=credentials)
    now = int(hooks_world.time.time())

    answer = post(webhook_timestamp=str(now), webhook_signature=sign("p1", now, b"{}", "whsec_"))

    assert answer.status_code == 503  # the platform sends again, when the secret is there
    assert "credentials are missing: secret" in caplog.text
    assert not NeuralEvent.objects.exists()


@pytest.mark.parametrize("secret", ["whsec_", "no base64!", "whsec_%%%"])
def test_a_secret_that_is_none_refuses_everything(secret):
    source(store="S1", credentials={"secret": secret})
    now = int(hooks_world.time.time())
    empty = sign("p1", now, b"{}", "whsec_")

    assert post(b"{}", webhook_timestamp=str(now), webhook_signature=empty).status_code == 401


def test_unknown_and_inactive_sources_have_the_same_answer():
    source("off", active=False, store="S1")

    answers = [post(name=name) for name in ("nobody", "off", "OFF", "a/b", "%00", "x" * 200)]

    assert {(each.status_code, each.content) for each in answers} == {(404, b"")}
    assert not NeuralEvent.objects.exists()


def test_the_refusal_is_the_platforms_own_and_the_log_holds_no_secret(till, caplog):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")

    with caplog.at_level(logging.INFO):
        answer = push_to_till({"id": "1"}, signature="forged")

    assert (answer.status_code, answer.json()) == (403, {"message": "no"})
    assert "event=push_refused source=shops reason='another signature'" in caplog.text
    assert "s3cret" not in caplog.text
    assert "forged" not in caplog.text


def test_the_body_is_not_looked_at_before_its_signature(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.breaks["read"] = AssertionError("read too early")

    assert push_to_till(b"{not json", signature="forged").status_code == 403


def test_the_answer_is_the_platforms_own_in_its_own_characters(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")

    answer = push_to_till({"id": "1"})

    assert answer.content.decode() == '{"message": "收到"}'


def test_a_probe_of_the_address_is_answered_and_nothing_is_kept(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")

    answer = Client().get("/hooks/shops", headers={"X-Till-Signature": "s3cret"})

    assert answer.json() == {"message": "收到"}
    assert not NeuralEvent.objects.exists()
    assert not UnroutedPush.objects.exists()


def test_the_address_that_a_signature_covers_is_the_public_one(till, settings):
    settings.NEURAL = {**settings.NEURAL, "hook_public_url": "https://chain.example.com/"}
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    seen = []
    till.verify = lambda request, *_, **__: seen.append(request.url)

    Client().post("/hooks/shops?a=1%2B2", b"{}", content_type="application/json")

    assert seen == ["https://chain.example.com/hooks/shops?a=1%2B2"]


# What cannot be given to a store


def test_a_push_with_an_unknown_code_is_answered_and_kept_raw():
    source()

    assert post({**LOW, "store": "0099"}).status_code == 200

    kept = unrouted()
    assert (kept.push_id, kept.store_code, kept.state) == ("p1", "0099", PushState.WAITING)
    assert kept.reason.startswith("no store has the code '0099'")
    assert (
        kept.payload["body"]
        == '{"type": "inventory.low", "data": {"item": "flour", "level": 3}, "store": "0099"}'
    )
    assert not RefusedEvent.objects.exists()


def test_an_unknown_push_that_comes_again_is_kept_once_and_a_changed_one_beside_it():
    source()

    for level in (3, 3, 2, 2):
        post({"type": "inventory.low", "store": "9", "data": {"level": level}})

    assert UnroutedPush.objects.count() == 2


def test_no_credential_is_kept_with_a_raw_push(till):
    source("shops", platform="till", credentials={"secret": "s3cret"})

    headers = {"X-Till-Signature": "s3cret", "Authorization": "Bearer t0ken", "X-Topic": "orders"}
    Client().post(
        "/hooks/shops?shop=7&access_token=t0ken",
        b'{"id": "1"}',
        content_type="application/json",
        headers=headers,
    )

    kept = unrouted().payload
    assert kept["url"] == "http://testserver/hooks/shops?shop=7"
    assert kept["headers"]["x-topic"] == "orders"
    assert "t0ken" not in str(kept)


HOSTILE = {
    "no JSON": b"{",
    "no object": b"[]",
    "no text": b"\xff\xfe\x00{}",
    "NUL": b'{"type": "inventory.low", "data": {"item": "a\\u0000"}}',
    "NUL byte": b'{"type": "\x00"}',
    "half of a pair": b'{"type": "inventory.low", "data": {"item": "\\ud800"}}',
    "half of a pair in the code": b'{"store": "\\ud800\\u0000"}',
    "a code that is no text": b'{"store": {"a": 1}, "data": {"item": "\\u0000"}}',
    "NaN": b'{"data": {"level": NaN}}',
    "Infinity": b'{"data": {"level": -Infinity}}',
    "nested": b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "nested within reason of Python": b'{"data": ' + b"[" * 300 + b"]" * 300 + b"}",
    "many digits": b'{"data": ' + b"9" * 5000 + b"}",
    "digits": b'{"data": ' + b"9" * 1000 + b"}",
    "nothing": b"",
    "a time": b'{"timestamp": "2026-13-45", "data": {"item": "\\u0000"}}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_genuine_push_that_cannot_be_recorded_is_answered_and_kept_to_the_byte(body):
    source(store="S1")

    assert [post(body).status_code, post(body).status_code] == [200, 200]

    kept = unrouted()
    assert not NeuralEvent.objects.exists()
    assert kept.reason
    raw = kept.payload["body"].encode()
    assert (base64.b64decode(raw) if "encoding" in kept.payload else raw) == body


def test_a_push_of_a_megabyte_is_kept_and_a_larger_one_is_refused_unread():
    source(store="S1")
    around = len('{"a": ""}')

    assert post(b'{"a": "' + b"x" * (views.PUSHED_BYTES - around) + b'"}', "a").status_code == 200
    assert post(b'{"a": "' + b"x" * (views.PUSHED_BYTES - around + 1) + b'"}').status_code == 413

    # With its vendor it is larger than what an event may have.
    assert "1,048,576 are kept" in unrouted().reason


def test_a_larger_body_that_does_not_say_its_length_is_refused(rf):
    source(store="S1")
    body = io.BytesIO(b"x" * (views.PUSHED_BYTES + 1))
    request = rf.post("/hooks/kitchen", b"", content_type="text/plain")
    request.META.pop("CONTENT_LENGTH", None)
    request.META |= {"wsgi.input": body, "wsgi.input_terminated": True}

    assert views.receive_push(request, "kitchen").status_code == 413


# Never a 500


@pytest.mark.parametrize("step", ["verify", "read", "answer", "refusal"])
def test_an_error_in_a_platforms_class_is_never_a_500(step, till, caplog):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.breaks[step] = RuntimeError("phone 13800000000")

    signature = "forged" if step == "refusal" else "s3cret"
    status = push_to_till({"id": "1"}, signature=signature).status_code

    assert status == {"verify": 503, "read": 200, "answer": 200, "refusal": 401}[step]
    assert NeuralEvent.objects.exists() is (step == "answer")
    assert UnroutedPush.objects.exists() is (step == "read")
    assert "source=" in caplog.text
    assert "error=RuntimeError at=" in caplog.text
    assert "13800000000" not in caplog.text


@pytest.mark.parametrize("answer", [object(), {"a": float("nan")}, {"a": {1}}, "\ud800"])
def test_an_answer_that_is_no_json_is_replaced(answer, till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.answer = lambda request: hooks_world.Answer(body=answer)

    assert push_to_till({"id": "1"}).status_code == 200


@pytest.mark.parametrize("push", ["text", hooks_world.Push(push_id=None, body=object())])
def test_a_push_that_is_none_is_kept_raw(push, till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.read = lambda request: push

    assert push_to_till({"id": "1"}).status_code == 200
    assert unrouted().payload["body"] == '{"id": "1"}'


def test_a_source_whose_platform_is_gone_asks_the_platform_to_send_again(caplog):
    source(platform="gone", store="S1")

    answer = post()

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "no installed app registers the platform 'gone'" in caplog.text


def test_credentials_that_cannot_be_read_ask_the_platform_to_send_again(settings, caplog):
    source(store="S1")
    settings.SECRET_KEY = "another"

    assert post().status_code == 503
    assert "SECRET_KEY_FALLBACKS" in caplog.text


@pytest.mark.parametrize("place", ["lookup", "record", "raw"])
def test_without_the_database_the_platform_is_asked_to_send_again(place, monkeypatch):
    source(store="" if place == "raw" else "S1")

    def away(*_, **__):
        raise OperationalError("server closed the connection")

    target, name = {
        "lookup": (WebhookSource.objects, "select_related"),
        "record": (recording, "submit"),
        "raw": (UnroutedPush.objects, "bulk_create"),
    }[place]
    monkeypatch.setattr(target, name, away)

    answer = post()

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


def test_two_pushes_that_cannot_be_read_and_differ_in_their_addresses_are_both_kept(till):
    source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")
    till.reads = False

    for order in (1, 2, 2):
        headers = {"X-Till-Signature": "s3cret"}
        address = f"/hooks/shops?order={order}"
        assert Client().post(address, b"", content_type="x/y", headers=headers).status_code == 200

    assert [each.payload["url"][-7:] for each in UnroutedPush.objects.order_by("pk")] == [
        "order=1",
        "order=2",
    ]


def test_a_value_that_the_database_refuses_is_kept_raw(monkeypatch):
    def refuse(*_, **__):
        raise DataError("numeric field overflow")

    source(store="S1")
    monkeypatch.setattr(recording, "submit", refuse)

    assert post().status_code == 200
    assert unrouted().reason == "payload: DataError: numeric field overflow"


def test_receiving_needs_no_restaurant(monkeypatch):
    source(store="S1")
    monkeypatch.setattr(recording, "PUSHED", "till.unheard_of")

    assert post().status_code == 200
    assert "is not registered" in unrouted().reason


def test_a_code_that_is_entered_between_looking_and_keeping_routes_its_push(monkeypatch):
    shops = source()
    keep = receiving.keep_raw

    def enter_the_code_first(*args, **kwargs):
        map_code(shops, "0099", "S1")
        return keep(*args, **kwargs)

    monkeypatch.setattr(receiving, "keep_raw", enter_the_code_first)

    post({**LOW, "store": "0099"})

    assert TaskRun.objects.get().task == "neural.tasks.route_pushes"
