"""A delivery reaches its receiver, signed, with one id however often it is tried."""

import datetime as dt
import email.utils
import json
import logging
import threading
from dataclasses import replace

import pytest
from celery import current_app
from django.utils import timezone

from neural.hooks.models import Delivery, DeliveryState, PauseReason, SubscriptionState
from neural.hooks.outgoing import sending, subscribed
from neural.hooks.outgoing.messages import rotate_secret
from neural.hooks.outgoing.scheduling import (
    DELIVER_TASK,
    MOST_RUNS,
    MOST_RUNS_IN_TROUBLE,
    request_deliveries,
    send_test,
)
from neural.kit.outbound import client
from neural.kit.outbound.signing import new_secret, signatures
from neural.ledger.work_errors import describe
from neural.models import NeuralEvent, RunState, TaskRun
from tests.unit.factories import ago, make_run
from tests.unit.hooks.receiving import answering, is_signed, raw, receiver
from tests.unit.hooks.subscribing import STOCK, happens, only, passes, subscribe, turn

pytestmark = pytest.mark.django_db

RETRIES = sending.RETRIES
DELIVERED, PENDING, FAILED = DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.FAILED


@pytest.fixture(autouse=True)
def _own_network(settings, fake_broker, monkeypatch):
    """Loopback is allowed, so that the receiver of the test can be reached. A retry is later than
    any test takes: only `passes` reaches it."""
    patient = replace(RETRIES, base_seconds=600)
    monkeypatch.setattr(sending, "RETRIES", patient)
    monkeypatch.setattr(current_app.tasks[DELIVER_TASK], "retry_policy", patient)
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": True}
    subscribed.forget()
    yield
    subscribed.forget()


@pytest.fixture
def alerts(monkeypatch):
    """The lines of the alerts that were raised."""
    raised = []
    monkeypatch.setattr(
        logging.getLogger("neural.hooks.outgoing.sending"),
        "error",
        lambda text, *values: raised.append(text % values),
    )
    return raised


@pytest.fixture
def erp():
    with receiver() as running:
        yield running


def secret_of(subscription, place=0):
    return subscription.secrets[place]["secret"]


def test_the_signature_is_that_of_the_specifications_example():
    """https://github.com/standard-webhooks/standard-webhooks, spec and libraries' tests."""
    signed = signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_32_random_bytes():
    one, other = new_secret(), new_secret()
    assert one.startswith("whsec_")
    assert len(one) == len("whsec_") + 44
    assert one != other


def test_an_event_arrives_signed_and_whole(erp):
    subscription = subscribe(erp.url("/hook?a=1"))
    event = happens("1001", payload={"item": "面粉", "level": 3.10, "unit": "袋"})
    (outcome,) = turn()
    assert outcome.state == RunState.SUCCEEDED
    (got,) = erp.got
    assert got.path == "/hook?a=1"
    assert is_signed(got, secret_of(subscription))
    assert not is_signed(got, new_secret())
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Zhilian-Neural-Webhooks/")
    sent_at = dt.datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), dt.UTC)
    assert abs(sent_at - timezone.now()) < dt.timedelta(minutes=5)
    body = json.loads(got.body)
    assert list(body) == ["type", "timestamp", "data"]
    assert body["type"] == STOCK
    assert dt.datetime.fromisoformat(body["data"].pop("recorded_at"))
    assert body["data"].pop("occurred_at") == body["timestamp"]
    event = NeuralEvent.objects.get(pk=event.pk)
    assert abs(dt.datetime.fromisoformat(body["timestamp"]) - event.occurred_at) < (
        dt.timedelta(milliseconds=1)
    )
    assert body["data"] == {
        "store": "S1",
        "source": "pos",
        "event_id": "1001",
        "payload": {"item": "面粉", "level": 3.10, "unit": "袋"},
    }
    delivery = only()
    assert (delivery.state, delivery.attempts, delivery.answer_status) == (DELIVERED, 1, 204)
    assert delivery.delivered_at
    assert delivery.message_id == got.headers["webhook-id"]


def test_a_number_keeps_all_its_digits(erp):
    subscribe(erp.url())
    happens(payload={"item": "flour", "level": 1, "exact": 12345678901234567890123})
    turn()
    assert b"12345678901234567890123" in erp.got[0].body


def test_an_outcome_arrives_in_the_same_form(erp):
    subscribe(erp.url(), "run.succeeded")
    happens()
    turn()  # handles the event
    turn()
    bodies = [json.loads(got.body) for got in erp.got]
    assert bodies
    assert {body["type"] for body in bodies} == {"run.succeeded"}
    assert bodies[0]["data"]["event_id"] == "1"
    assert bodies[0]["data"]["state"] == "succeeded"


def test_both_secrets_sign_while_the_receiver_changes_over(erp):
    subscription = subscribe(erp.url())
    former = secret_of(subscription)
    current = rotate_secret(subscription, now=timezone.now())
    happens("1")
    turn()
    assert is_signed(erp.got[0], former)
    assert is_signed(erp.got[0], current)
    assert erp.got[0].headers["webhook-signature"].count("v1,") == 2
    rotate_secret(subscription, now=timezone.now())
    happens("2")
    turn()
    assert not is_signed(erp.got[1], former)
    assert is_signed(erp.got[1], current)


def test_the_former_secret_ends_after_a_day(erp):
    subscription = subscribe(erp.url())
    former = secret_of(subscription)
    current = rotate_secret(subscription, now=timezone.now() - dt.timedelta(hours=25))
    happens()
    turn()
    assert not is_signed(erp.got[0], former)
    assert is_signed(erp.got[0], current)


def test_a_failed_attempt_is_repeated_with_the_same_id_and_body(erp):
    subscribe(erp.url())
    erp.answers += [answering(500, b"out of order"), answering(200, b"ok")]
    happens()
    (outcome,) = turn()
    assert outcome.state == RunState.PENDING
    delay = (outcome.due_at - outcome.finished_at).total_seconds()
    assert 300 <= delay <= 600
    assert describe(outcome.exception) == "DeliveryFailed: HTTP 500"
    delivery = only()
    assert (delivery.state, delivery.answer_status) == (PENDING, 500)
    assert delivery.answer == "out of order"
    assert not turn()
    passes(minutes=11)
    turn()
    first, second = erp.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    delivery = only()
    assert (delivery.state, delivery.attempts, delivery.answer) == (DELIVERED, 2, "ok")
    assert delivery.subscription.failures == 0
    assert delivery.subscription.failing_since is None


def test_the_delay_doubles_up_to_four_hours():
    delays = [RETRIES.delay(failures, random_share=0) for failures in range(1, 30)]
    assert delays[:3] == [2.5, 5, 10]  # the other half is random
    assert max(delays) == 2 * 3600
    assert RETRIES.allows(1000)


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_is_called_again_when_it_says(erp, status):
    subscribe(erp.url())
    erp.answers.append(answering(status, Retry_After="120"))
    happens("1")
    (outcome,) = turn()
    assert outcome.state == RunState.PENDING
    assert 100 <= (outcome.due_at - outcome.finished_at).total_seconds() <= 121
    happens("2")
    passes(seconds=60)
    turn()
    assert len(erp.got) == 1  # not the other delivery either
    passes(seconds=300)
    turn()
    assert len(erp.got) == 3
    assert not Delivery.objects.exclude(state=DELIVERED).exists()


def test_a_receiver_may_say_when_by_a_date(erp):
    subscribe(erp.url())
    later = timezone.now() + dt.timedelta(minutes=10)
    erp.answers.append(answering(503, Retry_After=email.utils.format_datetime(later, usegmt=False)))
    happens()
    (outcome,) = turn()
    assert abs(outcome.due_at - later) <= dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    "given",
    ["soon", "-5", "0", "1e9", "٣", "9" * 400, f"Mon, 01 Jan 2035 00:00:00 +{'9' * 20}"],
)
def test_a_senseless_retry_after_makes_no_difference(erp, given):
    subscribe(erp.url())
    answer = raw(f"HTTP/1.1 429 Slow\r\nRetry-After: {given}\r\n\r\n".encode())
    erp.answers.append(answer)
    happens()
    (outcome,) = turn()
    assert outcome.state == RunState.PENDING
    assert outcome.due_at - outcome.finished_at <= dt.timedelta(days=1, seconds=1)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(erp, status):
    subscribe(erp.url())
    erp.answers.append(answering(status, Location=erp.url("/elsewhere")))
    happens()
    turn()
    assert len(erp.got) == 1
    assert (only().state, only().answer_status) == (PENDING, status)


def test_no_answer_is_a_failure_that_says_why(erp, settings, monkeypatch):
    settings.NEURAL = {**settings.NEURAL, "outbound_timeout_seconds": 0.2}
    # Only the answer is late, whatever a busy machine makes of the resolver's thread.
    monkeypatch.setattr(
        client.Deadline, "resolve", lambda self, host, port: client.resolved(host, port)
    )
    over = threading.Event()
    subscribe(erp.url())
    erp.answers.append(raw(b"HTTP/1.1 200 OK\r\n", b"x", until=over))
    happens()
    turn()
    over.set()
    assert (only().state, only().answer_status) == (PENDING, None)
    assert only().answer == "no answer within 0.2 seconds"


def test_the_beginning_of_the_answer_is_kept_whatever_it_is(erp):
    subscribe(erp.url())
    erp.answers.append(answering(200, b"\x00\xff" + "长".encode() * 600))
    happens()
    turn()
    assert only().state == DELIVERED
    assert len(only().answer) == 500
    assert only().answer.startswith("��长")


def test_an_address_in_the_own_network_gets_nothing(erp, settings):
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": False}
    subscribe(erp.url().replace("http:", "https:"))
    happens()
    turn()
    assert not erp.got
    assert "not an address in the public Internet" in only().answer


def test_410_gone_pauses_at_once_and_nothing_is_lost(erp, alerts):
    subscription = subscribe(erp.url())
    erp.answers.append(answering(410))
    happens("1")
    (outcome,) = turn()
    assert outcome.state == RunState.SUCCEEDED
    subscription.refresh_from_db()
    assert subscription.state == SubscriptionState.PAUSED
    assert subscription.paused_reason == PauseReason.GONE
    assert len(alerts) == 1
    happens("2")
    turn()
    assert len(erp.got) == 1
    assert Delivery.objects.unrequested().count() == 2
    assert subscription.resume()
    turn()
    assert len(erp.got) == 3
    assert Delivery.objects.filter(state=DELIVERED).count() == 2


def test_after_three_days_of_failure_it_is_given_up_and_the_subscription_paused(erp, alerts):
    subscription = subscribe(erp.url())
    erp.answers += [answering(500)] * 2
    happens("1")
    turn()
    happens("2")
    passes(days=3, minutes=1)
    outcomes = turn()
    subscription.refresh_from_db()
    assert subscription.state == SubscriptionState.PAUSED
    assert subscription.paused_reason == PauseReason.FAILING
    (alert,) = alerts
    assert alert.startswith("event=alert alert=webhook_paused subscription=")
    assert 'name=ERP reason=failing error="HTTP 500"' in alert
    assert {each.state for each in outcomes} == {RunState.DEAD, RunState.SUCCEEDED}
    assert Delivery.objects.get(state=FAILED).answer_status == 500
    assert Delivery.objects.pending().count() == 1


def test_what_waited_while_paused_goes_on_when_resumed(erp):
    subscription = subscribe(erp.url())
    erp.answers.append(answering(500))
    happens("1")
    turn()
    subscription.pause(PauseReason.BY_HAND)
    happens("2")
    passes(hours=1)
    turn()
    assert len(erp.got) == 1
    assert subscription.resume()
    assert not subscription.resume()
    turn()
    assert len(erp.got) == 3
    assert {each.headers["webhook-id"] for each in erp.got} == {
        each.message_id for each in Delivery.objects.filter(state=DELIVERED)
    }


def test_sent_again_it_is_the_same_message_by_another_run(erp):
    subscribe(erp.url())
    happens()
    turn()
    before = only()
    assert only().send_again()
    turn()
    first, second = erp.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (only().state, only().attempts) == (DELIVERED, 2)
    assert only().task_id != before.task_id


def test_one_that_waits_for_its_next_attempt_can_be_sent_at_once(erp):
    subscribe(erp.url())
    erp.answers.append(answering(429, Retry_After="3600"))
    happens()
    turn()
    assert not turn()
    assert only().send_again()
    turn()
    assert only().state == DELIVERED


def test_a_test_message_goes_the_same_way(erp):
    subscription = subscribe(erp.url(), stores=["S1"])
    send_test(subscription, by="lee")
    turn()
    (got,) = erp.got
    assert is_signed(got, secret_of(subscription))
    body = json.loads(got.body)
    assert body["type"] == "webhook.test"
    assert body["data"] == {"subscription": "ERP", "sent_by": "lee"}


def test_the_run_of_another_time_sends_nothing(erp):
    """A message that comes late, or a run that a person retries, finds another run at it."""
    subscribe(erp.url())
    erp.answers.append(answering(500))
    happens()
    turn()
    another = make_run(available_at=ago(days=-1))  # it lives: the delivery is its own
    Delivery.objects.update(task_id=another.task_id)
    passes(minutes=11)
    (outcome,) = turn()[:1] or [None]
    assert outcome is not None
    assert outcome.value["delivered"] is False
    assert len(erp.got) == 1


def test_since_when_a_cancelled_delivery_failed_is_not_held_against_the_next(erp):
    subscription = subscribe(erp.url())
    erp.answers += [answering(500), answering(500)]
    happens("1")
    turn()
    TaskRun.objects.get(task_id=only().task_id).cancel()
    turn()
    passes(days=4)
    happens("2")
    turn()
    assert len(erp.got) == 2
    subscription.refresh_from_db()
    assert subscription.state == "active"


def test_a_delivery_whose_run_was_cancelled_is_failed_and_says_so(erp):
    subscribe(erp.url())
    happens()
    request_deliveries()
    TaskRun.objects.get(task_id=only().task_id).cancel()
    turn()
    assert only().state == FAILED
    assert only().answer == "its run was cancelled, or is dead"
    assert not erp.got


def test_a_delivery_whose_payload_was_pruned_meanwhile_is_failed(erp):
    subscribe(erp.url())
    happens()
    NeuralEvent.objects.update(payload=None, pruned_at=timezone.now())
    (outcome,) = [each for each in turn() if each.run.task.endswith("deliver_webhook")]
    assert outcome.state == RunState.DEAD
    assert only().state == FAILED
    assert "was pruned before" in only().answer


def test_an_unreadable_secret_is_a_failure_that_says_what_to_do(erp, settings):
    subscribe(erp.url())
    happens()
    settings.SECRET_KEY = "another"
    settings.SECRET_KEY_FALLBACKS = []
    turn()
    assert only().state == PENDING
    assert "SECRET_KEY_FALLBACKS" in only().answer
    assert not erp.got


# One receiver does not hold up the others


def test_a_receiver_that_fails_is_tried_by_one_delivery_at_a_time(erp):
    subscribe(erp.url())
    erp.answers += [answering(500)] * 50
    for number in range(20):
        happens(str(number))
    turn()
    assert len(erp.got) == sending.FAILURES
    for _ in range(5):
        before = len(erp.got)
        passes(hours=5)
        turn()
        assert len(erp.got) == before + 1


def test_when_it_is_well_again_everything_goes_at_once(erp):
    subscribe(erp.url())
    erp.answers += [answering(500)] * 8
    for number in range(20):
        happens(str(number))
    for _ in range(6):
        turn()
        passes(hours=5)
    for _ in range(4):
        turn()
        passes(minutes=20)
    assert Delivery.objects.filter(state=DELIVERED).count() == 20


def test_another_receiver_gets_its_deliveries_meanwhile(erp):
    subscribe(erp.url("/bad"), name="bad")
    with receiver() as well:
        subscribe(well.url(), name="well")
        erp.answers += [answering(500)] * 50
        for number in range(20):
            happens(str(number))
        turn()
        assert len(well.got) == 20
    assert len(erp.got) == sending.FAILURES


def test_a_subscription_has_few_runs_at_a_time_and_fewer_in_trouble(erp, monkeypatch):
    subscription = subscribe(erp.url())
    happens()
    rows = [Delivery(subscription=subscription, type="t", payload={}) for _ in range(300)]
    Delivery.objects.bulk_create(rows)
    request_deliveries()
    request_deliveries()
    runs = TaskRun.objects.filter(task="neural.tasks.deliver_webhook")
    assert runs.count() == MOST_RUNS
    runs.update(state=RunState.SUCCEEDED, finished_at=timezone.now())
    Delivery.objects.requested().update(state=DELIVERED)
    type(subscription).objects.update(slow=True)
    request_deliveries()
    assert runs.filter(state=RunState.PENDING).count() == MOST_RUNS_IN_TROUBLE


@pytest.mark.parametrize(("slow", "places"), [(False, 4), (True, 1)])
def test_only_some_are_sent_at_the_same_time(erp, slow, places):
    subscription = subscribe(erp.url(), slow=slow)
    soon = timezone.now() + dt.timedelta(seconds=30)
    others = [
        Delivery(subscription=subscription, type="t", state=DELIVERED, sending_until=soon)
        for _ in range(places)
    ]
    Delivery.objects.bulk_create(others)
    happens()
    (outcome,) = turn()
    assert outcome.state == RunState.PENDING
    assert not erp.got
    passes(minutes=1)  # they were killed: their time is over
    turn()
    assert len(erp.got) == 1


def test_an_answer_that_takes_long_makes_it_slow_until_one_does_not(erp, monkeypatch):
    subscription = subscribe(erp.url())
    monkeypatch.setattr(client.Deadline, "passed", lambda self: 2.5)
    happens("1")
    turn()
    subscription.refresh_from_db()
    assert subscription.slow
    monkeypatch.setattr(client.Deadline, "passed", lambda self: 0.1)
    happens("2")
    passes(minutes=1)
    turn()
    subscription.refresh_from_db()
    assert not subscription.slow


@pytest.mark.parametrize("failures", [0, sending.FAILURES])
def test_a_time_that_a_receiver_has_asked_for_outlives_failures_beside_it(failures):
    """Of deliveries that were sent at the same time, one was answered with Retry-After."""
    subscription = subscribe("https://erp.example/hook", failures=failures)
    now = timezone.now()
    asked = now + dt.timedelta(hours=1)

    sending.note_failure(subscription, now=now, not_before=asked)
    sending.note_failure(subscription, now=now)

    subscription.refresh_from_db()
    assert (subscription.retry_at, subscription.failures) == (asked, failures + 2)
