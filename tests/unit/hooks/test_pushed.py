"""What tills and platforms push is kept as it came, but for the headers that are credentials."""

import json

import pytest

import neural
from neural.events import ndjson
from neural.events.redaction import LEFT_OUT, mentions_credential
from neural.events.types import event_type
from neural.models import NeuralEvent, RefusedEvent
from neural.restaurant.schemas.tills import without_credentials

BODY = '{ "b": 1.10, "a": [1e2, "\\u6c49"],\r\n "n": 12345678901234567890 }\n'


def push(event_id="1", **payload):
    of = {"type": "till.pushed", "store": "S1", "source": "eleme", "event_id": event_id}
    return {**of, "payload": {"vendor": "eleme", "body": BODY, **payload}}


@pytest.mark.django_db
def test_a_body_of_text_is_kept_to_the_byte(fake_broker):
    assert neural.submit(**push()).is_new

    assert NeuralEvent.objects.get().payload["body"] == BODY


@pytest.mark.django_db
def test_a_body_of_json_is_kept_as_json(fake_broker):
    body = {"b": [1, None, {"a": True}], "id": "0012"}

    neural.submit(**push(body=body)).or_raise()

    assert NeuralEvent.objects.get().payload["body"] == body


@pytest.mark.django_db
def test_a_push_of_a_megabyte_is_kept_and_one_byte_more_is_not(fake_broker):
    around = len('{"body":"","vendor":"eleme"}')

    assert neural.submit(**push("1", body="x" * (1024 * 1024 - around))).is_new
    (problem,) = neural.submit(**push("2", body="x" * (1024 * 1024 - around + 1))).problems

    assert problem.reason == "has 1,048,577 bytes; at most 1,048,576 are kept"


@pytest.mark.django_db
def test_headers_with_credentials_are_never_recorded_and_the_others_are(fake_broker):
    signature = {"Toast-Signature": "c2ln", "Content-Type": "application/json"}
    secret = {"Authorization": "Basic x", "X-Clover-Auth": "x", "HTTP_COOKIE": "x"}

    neural.submit(**push(headers={**signature, **secret})).or_raise()

    assert NeuralEvent.objects.get().payload["headers"] == signature


@pytest.mark.django_db
@pytest.mark.parametrize("broken", [{"vendor": ""}, {"body": "x" * 1024 * 1024}, {"vendor": None}])
def test_nor_are_they_when_the_push_is_refused(fake_broker, broken):
    assert neural.submit(**push(headers={"Cookie": "s3cret", "X-A": "b"}, **broken)).is_refused

    assert "s3cret" not in RefusedEvent.objects.get().payload


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [[["Cookie", "s3cret"]], "Cookie: s3cret"])
def test_headers_that_are_no_object_are_refused_without_being_kept(fake_broker, headers):
    (problem,) = neural.submit(**push(headers=headers)).problems

    assert problem.field == "payload.headers"
    assert "s3cret" not in RefusedEvent.objects.get().payload


SECRET = {"headers": {"Authorization": "s3cret", "X-A": "b"}}


@pytest.mark.django_db
@pytest.mark.parametrize("payload", [json.dumps(SECRET), [SECRET], b"Cookie: s3cret", (SECRET,)])
@pytest.mark.parametrize("type_name", ["till.pushed", "till.psuhed", None])
def test_a_refused_push_that_is_no_object_is_not_kept(fake_broker, type_name, payload):
    assert neural.submit(**{**push(), "type": type_name, "payload": payload}).is_refused

    assert RefusedEvent.objects.get().payload == json.dumps(LEFT_OUT)


@pytest.mark.django_db
@pytest.mark.parametrize("type_name", ["till.psuhed", "Till.Pushed", "till.pushed ", None])
def test_a_push_under_a_misspelt_type_is_kept_without_its_credentials(fake_broker, type_name):
    assert neural.submit(**{**push(**SECRET), "type": type_name}).is_refused

    kept = json.loads(RefusedEvent.objects.get().payload)
    assert kept == {"vendor": "eleme", "body": BODY, "headers": {"X-A": "b"}}


@pytest.mark.django_db
def test_a_payload_of_another_type_is_kept_whatever_it_is(fake_broker):
    neural.submit(**{**push(), "type": "order.stated", "payload": "Token of 5"})

    assert RefusedEvent.objects.get().payload == '"Token of 5"'


LINE = json.dumps(push(**SECRET))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        LINE[:-1].encode(),
        f"[{LINE}]".encode(),
        json.dumps(LINE).encode(),
        LINE.encode("utf-16-le"),
        LINE.encode("utf-16"),
        LINE[:-1].replace("Authorization", "\\u0041uthorization").encode(),
        LINE.replace("b", "\xff").encode("latin-1"),
        b'"HTTP_X_CLOVER_AUTH": "s3cret",',
        b"X-Api-Key: s3cret",
    ],
)
def test_a_line_that_is_no_event_and_mentions_a_credential_is_not_kept(fake_broker, line):
    (answer,) = ndjson.submit_lines([line])

    assert answer.submission.is_refused
    assert RefusedEvent.objects.get().payload == LEFT_OUT


def test_a_text_of_nothing_but_backslashes_is_read_at_once():
    assert not mentions_credential("\\" * 200_000)


@pytest.mark.django_db
def test_any_other_line_that_is_no_event_is_kept(fake_broker):
    list(ndjson.submit_lines([b'{"type": "order.stated"']))

    assert RefusedEvent.objects.get().payload == '{"type": "order.stated"'


@pytest.mark.django_db
def test_a_push_that_only_differs_in_its_credentials_is_the_same(fake_broker):
    assert neural.submit(**push(headers={"Authorization": "Bearer 1"})).is_new

    assert neural.submit(**push(headers={"Authorization": "Bearer 2"})).is_duplicate


CREDENTIALS = [
    "Authorization",
    "Proxy-Authorization",
    "X-Authorization",
    "X-Forwarded-Authorization",
    "REDIRECT_HTTP_AUTHORIZATION",
    "HTTP_AUTHORIZATION",
    "Authentication",
    "X-Clover-Auth",
    "X-Auth",
    "X-Auth-Token",
    "Cookie",
    "Set-Cookie",
    "HTTP_COOKIE",
    "Token",
    "X-Access-Token",
    "Access-Token",
    "X-Api-Token",
    "Api-Key",
    "X-Api-Key",
    "API_KEY",
    "ApiKey",
    "X-Webhook-Secret",
    "X-Client-Secret",
    "X-Password",
]
NO_CREDENTIALS = [
    "Toast-Signature",
    "X-Square-HmacSha256-Signature",
    "X-Hub-Signature-256",
    "X-Token-Signature",
    "HTTP_X_DOORDASH_SIGNATURE",
    "Content-Type",
    "Content-Length",
    "User-Agent",
    "X-Request-Id",
    "Author",
    "Idempotency-Key",
    "X-Author-Id",
    "X-Forwarded-For",
]


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("written", [str, str.title, str.upper, str.lower, " {} ".format])
def test_a_credential_is_known_however_its_header_is_written(name, written):
    assert without_credentials({"headers": {written(name): "x"}}) == {"headers": {}}
    wsgi = "HTTP_" + name.upper().replace("-", "_")
    assert without_credentials({"headers": {wsgi: "x"}}) == {"headers": {}}


@pytest.mark.parametrize("name", NO_CREDENTIALS)
def test_signatures_and_all_other_headers_are_kept(name):
    assert without_credentials({"headers": {name: "x"}}) == {"headers": {name: "x"}}


def test_a_push_without_headers_is_left_as_it_is():
    payload = {"vendor": "square", "body": {}}
    assert without_credentials(payload) is payload


def test_pushes_alone_may_be_larger_than_other_events():
    assert event_type("till.pushed").max_bytes == 1024 * 1024
    assert event_type("order.stated").max_bytes is None
    assert ndjson.largest_byte_limit() == 1024 * 1024
