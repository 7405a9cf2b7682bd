"""A recorded push becomes the events that it tells, in a run that may be repeated at any time."""

import datetime as dt
import json
import threading
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core import checks
from django.test import Client
from django.utils import timezone

import neural
from neural.events.registry import HANDLERS, handler
from neural.events.types import TYPES
from neural.hooks.incoming import fetching, translating
from neural.hooks.platforms.base import PLATFORMS, CannotTranslate
from neural.kit.outbound.client import NoAnswer
from neural.models import NeuralEvent, RefusedEvent, RunState, TaskRun
from neural.restaurant.models import Order
from tests.registries import emptied, forget
from tests.unit.api import api_world
from tests.unit.factories import make_store
from tests.unit.hooks import hooks_world
from tests.unit.hooks.hooks_world import LOW, post, push_to_till, source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

FAILURES = translating.RETRIES.max_retries + 1
ORDER = {
    "type": "inventory.low",
    "event_id": "77:1",
    "payload": {"item": "flour", "level": 3},
    "occurred_at": "2026-11-25T18:30:00+08:00",
}


class Server(ThreadingHTTPServer):
    """A platform's server: ``answers`` are (status, headers, body), the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.answers = [(200, {}, {"events": [ORDER]})]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/orders"

    def handle_error(self, request, client_address):
        """A client that does not wait for its answer is part of a test."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        status, headers, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": len(raw)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.fixture
def server(settings):
    settings.NEURAL = {
        **settings.NEURAL,
        "outbound_private_addresses": True,
        "hook_fetches_per_second": 1000,
    }
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def till(server):
    with hooks_world.till() as platform:
        platform.url = server.url
        yield platform


@pytest.fixture
def shops(till):
    return source("shops", platform="till", credentials={"secret": "s3cret"}, store="S1")


@pytest.fixture
def client_of_api():
    """Submits an event with a key for the store S1."""
    make_store("S1")
    _, key = api_world.key("S1")

    def send(**event):
        answer = Client().post(
            "/api/v1/events",
            json.dumps(event),
            content_type="application/json",
            headers={"X-Api-Key": key},
        )
        assert answer.status_code == 202

    return send


def run():
    return TaskRun.objects.get(handler="neural.translate_push")


def lows():
    return list(NeuralEvent.objects.filter(type="inventory.low"))


def much_later():
    return timezone.now() + dt.timedelta(days=1)


# Standard Webhooks


def test_a_push_of_the_recommended_form_becomes_an_event_of_its_store():
    source(store="S1")
    post({**LOW, "timestamp": "2026-11-25T10:30:00Z"}, "p1")

    neural.run_due()

    (event,) = lows()
    assert (event.store_id, event.source, event.event_id) == ("S1", "kitchen", "p1")
    assert event.payload == LOW["data"]
    assert event.occurred_at == dt.datetime(2026, 11, 25, 10, 30, tzinfo=dt.UTC)
    assert run().result == {"events": ["inventory.low p1"], "new": 1, "before": 0}


def test_digits_that_a_currency_lacks_mark_the_order_of_a_push_and_leave_no_dead_run():
    source(store="S1")
    line = {"dish": "tuna", "quantity": 1, "price": "1079.5", "amount": "1079.5"}
    order = {"order_id": "17", "currency": "JPY", "lines": [line], "total": "1079.5"}
    paid = {"order_id": "17", "payment_id": "P1", "amount": "1079.5", "currency": "JPY"}

    post({"type": "order.stated", "data": order}, "p1")
    post({"type": "payment.stated", "data": paid}, "p2")
    neural.run_due()

    assert not TaskRun.objects.exclude(state=RunState.SUCCEEDED)
    assert not RefusedEvent.objects.exists()
    (marked,) = Order.objects.unsettled()
    assert (marked.total, marked.balance) == (Decimal("1079.5"), 0)


def test_a_cloud_event_keeps_its_own_id_also_if_the_push_has_the_same():
    source(store="S1")
    body = {
        "specversion": "1.0",
        "id": "7",
        "source": "/kitchen",
        "type": "inventory.low",
        "time": "2026-11-25T18:30:00+08:00",
        "data": LOW["data"],
    }

    post(body, "7")
    neural.run_due()

    assert [event.event_id for event in lows()] == ["7"]
    assert run().state == RunState.SUCCEEDED


def test_the_plain_form_has_the_arguments_of_submit():
    source(store="S1")

    post({**ORDER, "occurred_at": "2026-11-25T18:30:00", "store": "x"}, "p1")
    neural.run_due()

    (event,) = lows()
    assert event.event_id == "77:1"
    # A time without a zone is the store's own.
    assert event.occurred_at == dt.datetime(2026, 11, 25, 10, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("body", "said"),
    [({"type": "inventory.low"}, "no object 'data'"), ({"data": {}}, "no text 'type'")],
)
def test_a_body_that_tells_no_event_is_dead_with_what_to_do(body, said):
    source(store="S1")

    post(body)
    neural.run_due()

    assert run().state == RunState.DEAD
    assert said in run().error
    assert "mend the sender" in run().error


# Thin pushes


def test_what_a_push_leaves_out_is_fetched_with_the_credentials_of_its_source(shops, server):
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    (event,) = lows()
    assert (event.store_id, event.source, event.event_id) == ("S1", "shops", "77:1")
    ((method, path, headers, _),) = server.asked
    assert (method, path, headers["X-Key"]) == ("GET", "/orders/77", "k3y")


def test_a_failed_fetch_is_retried_by_the_ledger(shops, server):
    server.answers = [(500, {}, {}), *server.answers]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    assert (run().state, run().failures) == (RunState.PENDING, 1)
    assert run().error == "FetchFailed: GET 127.0.0.1 answered 500"
    neural.run_due(now=much_later())
    assert run().state == RunState.SUCCEEDED
    assert len(lows()) == 1


@pytest.mark.parametrize("status", [401, 404])
def test_an_order_that_is_never_found_is_dead_after_all_retries(status, shops, server):
    server.answers = [(status, {}, {"error": "k3y"})]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due(now=much_later())

    assert (run().state, run().failures) == (RunState.DEAD, FAILURES)
    assert run().error == f"FetchFailed: GET 127.0.0.1 answered {status}"


@pytest.mark.parametrize("status", [429, 503])
def test_a_platform_that_asks_to_wait_is_not_asked_before_and_nothing_fails(status, shops, server):
    server.answers = [(status, {"Retry-After": "120"}, {}), *server.answers]
    push_to_till({"id": "1", "order": "77"})

    before = timezone.now()
    neural.run_due()

    waits = run()
    assert (waits.state, waits.failures) == (RunState.PENDING, 0)
    assert waits.error == f"GET 127.0.0.1 answered {status}"
    assert waits.available_at >= before + dt.timedelta(seconds=119)
    neural.run_due(now=much_later())
    assert run().state == RunState.SUCCEEDED


def test_a_platform_that_always_asks_to_wait_fails_in_the_end(shops, server, monkeypatch):
    monkeypatch.setattr(translating, "MOST_WAITS", 2)
    server.answers = [(429, {"Retry-After": "1"}, {})]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due(now=much_later())

    assert (run().state, run().failures) == (RunState.DEAD, FAILURES)
    assert len(server.asked) == 2 + FAILURES


def test_a_platform_may_be_away_for_a_day_and_is_asked_soon_when_it_is_back():
    policy = handler(translating.HANDLER).retry
    failures = range(1, FAILURES)

    assert policy.delay(1, random_share=1) <= 60
    assert max(policy.delay(each, random_share=1) for each in failures) <= 3600
    assert sum(policy.delay(each, random_share=0) for each in failures) >= 24 * 3600


def test_a_push_that_came_another_way_is_translated_without_credentials(till, server):
    make_store("S1")
    neural.submit(
        type="till.pushed",
        store="S1",
        source="python",
        event_id="1",
        payload={"vendor": "till", "body": {"order": "77"}},
    ).or_raise()

    neural.run_due()

    assert run().state == RunState.DEAD
    assert run().error == ("CannotTranslate: the order was not fetched: enter the credentials")
    assert not server.asked


def test_a_key_of_the_api_cannot_read_with_the_credentials_of_a_source(
    shops, server, client_of_api
):
    """The key is of one store; the source's account may be that of the whole chain."""
    client_of_api(
        type="till.pushed",
        store="S1",
        source="shops",
        event_id="push:1",
        payload={"vendor": "till", "body": {"order": "of another store"}},
    )

    neural.run_due()

    assert run().error == "CannotTranslate: the order was not fetched: enter the credentials"
    assert not server.asked


@pytest.mark.parametrize("event_id", ["1", "push:1"])
def test_credentials_are_used_for_what_a_webhook_recorded_alone(shops, server, event_id):
    neural.submit(
        type="till.pushed",
        store="S1",
        source="shops",
        event_id=event_id,
        payload={"vendor": "till", "body": {"order": "77"}},
    ).or_raise()

    neural.run_due()

    assert bool(server.asked) == (event_id == "push:1")


def test_credentials_are_never_used_for_another_platform(till, server):
    source("shops", store="S1", credentials={"secret": "whsec_"})  # of Standard Webhooks
    neural.submit(
        type="till.pushed",
        store="S1",
        source="shops",
        event_id="1",
        payload={"vendor": "till", "body": {"order": "77"}},
    ).or_raise()

    neural.run_due()

    assert run().state == RunState.DEAD
    assert not server.asked


# What goes wrong


def test_a_platform_that_no_app_registers_is_dead_with_what_to_do_and_can_be_retried(shops, till):
    push_to_till({"id": "1", "order": "77"})
    forget(PLATFORMS, "till")

    neural.run_due()

    assert run().state == RunState.DEAD
    assert "no installed app registers the platform 'till'" in run().error
    assert "retry this run" in run().error
    PLATFORMS.add("till", till)
    run().retry()
    neural.run_due()
    assert len(lows()) == 1


def test_what_cannot_be_translated_is_dead_with_its_reason_and_runs_after_mending(shops, till):
    till.breaks["translate"] = CannotTranslate("state 97 is unknown")
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    assert (run().state, run().failures) == (RunState.DEAD, 1)
    assert run().error == "CannotTranslate: state 97 is unknown"
    till.breaks.clear()
    run().retry()
    neural.run_due()
    assert len(lows()) == 1


def test_a_refused_event_is_named_and_the_good_ones_stay(shops, server):
    bad = {**ORDER, "event_id": "78:1", "payload": {"item": "", "level": "much"}}
    server.answers = [(200, {}, {"events": [bad, ORDER]}), (200, {}, {"events": [ORDER]})]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    assert run().state == RunState.DEAD
    assert "1 of 2 events refused: inventory.low '78:1': payload." in run().error
    assert [event.event_id for event in lows()] == ["77:1"]
    refused = RefusedEvent.objects.get()
    assert (refused.event_id, refused.entry_point) == ("78:1", "webhook")

    run().retry()
    neural.run_due()
    assert run().result == {"events": ["inventory.low 77:1"], "new": 0, "before": 1}


def test_a_run_that_is_repeated_records_nothing_twice(shops):
    push_to_till({"id": "1", "order": "77"})
    neural.run_due()
    event = NeuralEvent.objects.get(type="till.pushed")

    again = translating.translate_push(event)

    assert again == {"events": ["inventory.low 77:1"], "new": 0, "before": 1}
    assert len(lows()) == 1


def test_a_push_of_no_interest_is_done(shops, server):
    server.answers = [(200, {}, {"events": []})]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    assert run().result == {"events": [], "new": 0, "before": 0}


def test_a_class_that_returns_something_else_is_told_so(shops, till):
    till.translate = lambda push, details: [{"type": "inventory.low"}]
    push_to_till({"id": "1", "order": "77"})

    neural.run_due()

    assert "returned dict instead of Translated" in run().error


def test_the_push_is_translated_as_it_was_read(shops, till):
    seen = []
    till.translate = lambda push, details: seen.append(push) or []
    push_to_till({"id": "1", "order": "77", "at": "2026-11-25T18:30:00+08:00"}, **{"X-Topic": "t"})

    neural.run_due()

    assert seen == [
        hooks_world.Push(
            push_id="1",
            body={"id": "1", "order": "77", "at": "2026-11-25T18:30:00+08:00"},
            occurred_at=dt.datetime(2026, 11, 25, 10, 30, tzinfo=dt.UTC),
            headers={"x-topic": "t"},
        )
    ]


# Without the type


def warnings():
    return [each.id for each in checks.run_checks() if each.id == "neural_hooks.W001"]


def test_a_check_says_so_if_nobody_registers_the_type_or_too_late():
    assert warnings() == []

    with emptied(HANDLERS):
        assert warnings() == ["neural_hooks.W001"]
        with emptied(TYPES):
            assert warnings() == ["neural_hooks.W001"]


# The client


@contextmanager
def failing(**facts):
    with pytest.raises(fetching.FetchFailed) as failed:
        yield failed
    assert {name: getattr(failed.value, name) for name in facts} == facts
    assert "k3y" not in str(failed.value)
    assert failed.value.__suppress_context__ or failed.value.__context__ is None


@pytest.fixture
def client():
    return fetching.client_of("shops")


@pytest.mark.parametrize("key", ["k3y\nmore", "k3y\r", "k3y汉"])
def test_a_credential_that_no_header_can_have_is_not_told(client, server, key):
    with failing(status=None) as failed:
        client.get(server.url, headers={"X-Key": key})

    assert "enter the source's credentials again" in str(failed.value)
    assert not server.asked


def test_the_client_posts_json_and_forms(client, server):
    server.answers = [(200, {}, {"a": 1})]

    assert client.post(server.url, json={"ids": ["1"]}) == {"a": 1}
    assert client.post_form(server.url, fields={"id": "1 2", "k": "汉"}) == {"a": 1}

    assert [body for _, _, _, body in server.asked] == ['{"ids":["1"]}', "id=1+2&k=%E6%B1%89"]
    assert server.asked[1][2]["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_redirect_is_not_followed(client, server):
    server.answers = [(302, {"Location": f"{server.url}/elsewhere"}, b"")]

    with failing(status=302):
        client.get(server.url + "?key=k3y")
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_json_fails(body, client, server):
    server.answers = [(200, {}, body)]

    with failing(status=200):
        client.get(server.url + "?key=k3y")


def test_an_answer_of_more_than_two_mebibytes_fails(client, server):
    fits = b'"' + b"x" * (fetching.ANSWER_BYTES - 2) + b'"'
    server.answers = [(200, {}, fits), (200, {}, fits + b" ")]

    assert len(client.get(server.url)) == fetching.ANSWER_BYTES - 2
    with failing(status=200):
        client.get(server.url)


def test_an_answer_that_breaks_off_fails(client, server):
    server.answers = [(200, {"Content-Length": "10"}, b"{}")]

    with failing(status=None):
        client.get(server.url)


def test_a_server_that_does_not_answer_fails(client, server):
    server.server_close()

    with failing(status=None):
        client.get("http://127.0.0.1:1/?key=k3y")


def test_a_platform_at_a_private_address_is_not_asked(client, server, settings):
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": False}

    with failing(status=None) as failed:
        client.get(server.url + "?key=k3y")
    assert "k3y" not in str(failed.value)
    assert server.asked == []


def test_how_requests_are_sent_can_be_replaced():
    def refuse(method, url, **_):
        raise NoAnswer("10.0.0.1 is not public")

    guarded = fetching.FetchingClient(
        pace=fetching.Pace(per_second=5, burst=10), seconds=15, send=refuse
    )

    with failing(status=None) as failed:
        guarded.get("http://till.example.com/?key=k3y")
    assert str(failed.value) == "GET till.example.com: no answer (10.0.0.1 is not public)"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), ("", None), ("soon", None), ("-1", None), ("9" * 50, 999_999_999.0)],
)
def test_retry_after_is_read(said, seconds, client, server):
    server.answers = [(429, {"Retry-After": said}, {})]

    with failing(status=429, retry_after=seconds):
        client.get(server.url)


def test_retry_after_may_be_a_date(client, server, monkeypatch):
    monkeypatch.setattr(fetching.time, "time", lambda: 784111777.0)
    server.answers = [(429, {"Retry-After": "Sun, 06 Nov 1994 08:50:37 GMT"}, {})]

    with failing(retry_after=60.0):
        client.get(server.url)


def test_a_source_makes_ten_requests_at_once_and_then_five_a_second(time_that):
    pace = fetching.Pace(per_second=5, burst=10)

    began = time_that.now
    for _ in range(15):
        pace.wait()

    assert time_that.now - began == pytest.approx(1)
