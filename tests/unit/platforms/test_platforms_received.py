"""What each platform pushes goes all the way: posted to its address, translated by a run, and seen
as orders."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

import neural
from neural.hooks.incoming.fetching import FetchFailed
from neural.hooks.models import UnroutedPush, WebhookSource
from neural.hooks.platforms.base import PLATFORMS, CannotTranslate
from neural.models import NeuralEvent, RefusedEvent, RunState, TaskRun
from neural.restaurant.models import Order, OrderState, Payment
from tests.unit.factories import make_store
from tests.unit.platforms import square
from tests.unit.platforms.case import ADDRESS, PlatformCase, Pushed
from tests.unit.platforms.every import CASES, each_platform, each_push, named

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.usefixtures("fake_broker", "public_address"),
]

HOST, PATH = urlsplit(ADDRESS).netloc, urlsplit(ADDRESS).path


@pytest.fixture
def public_address(settings):
    settings.NEURAL = {**settings.NEURAL, "hook_public_url": f"https://{HOST}"}


def source_of(case: PlatformCase) -> WebhookSource:
    """The source under the address that the cases sign."""
    return WebhookSource.objects.create(
        name=PATH.rpartition("/")[2],
        platform=case.name,
        credentials=dict(case.credentials),
        store=make_store("S1"),
    )


def deliver(case: PlatformCase, pushed: Pushed, now: dt.datetime) -> Any:
    request = case.request(pushed, now)
    url = urlsplit(request.url)
    return Client().post(
        f"{url.path}?{url.query}" if url.query else url.path,
        request.body,
        content_type="application/json",
        headers=dict(request.headers),
    )


def told_in_advance(case: PlatformCase, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What the platform's server would answer, by the id of the push."""
    platform = PLATFORMS.find(case.name)
    details = {case.push(pushed).push_id: pushed.details for pushed in case.pushes}
    monkeypatch.setattr(
        platform, "fetch", lambda push, credentials, client: details[push.push_id], raising=True
    )
    return details


@each_push
def test_a_push_is_answered_and_recorded_as_its_document_says(case, pushed, monkeypatch):
    told_in_advance(case, monkeypatch)
    source_of(case)

    now = timezone.now()
    answer = deliver(case, pushed, now)
    neural.run_due()

    wanted = case.answered(case.request(pushed, now))
    assert answer.status_code == wanted.status
    if wanted.body is not None:
        assert answer.json() == wanted.body
    assert not UnroutedPush.objects.exists()
    assert not RefusedEvent.objects.exists()
    run = TaskRun.objects.get(handler="neural.translate_push")
    assert (run.state, run.error) == (RunState.SUCCEEDED, "")
    recorded = NeuralEvent.objects.exclude(type="till.pushed").filter(source="till", store="S1")
    kinds = [kind for kind, _ in pushed.expect]
    assert Counter(recorded.values_list("type", flat=True)) == Counter(kinds)


@each_platform
def test_all_pushes_of_a_platform_become_its_orders_and_nothing_is_dead(case, monkeypatch):
    told_in_advance(case, monkeypatch)
    source_of(case)

    for pushed in case.pushes:
        assert deliver(case, pushed, timezone.now()).status_code == case.answer.status
    neural.run_due()

    assert set(TaskRun.objects.values_list("state", flat=True)) == {RunState.SUCCEEDED}
    stated = NeuralEvent.objects.filter(type="order.stated")
    wanted = {event.payload["order_id"] for event in stated}
    assert wanted
    orders = Order.objects.filter(store="S1", till=case.name).exclude(state=OrderState.EXPECTED)
    assert {key.rpartition("/")[2] for key in orders.values_list("key", flat=True)} >= wanted


@each_platform
def test_all_pushes_again_change_nothing(case, monkeypatch):
    told_in_advance(case, monkeypatch)
    source_of(case)
    now = timezone.now()

    for _time in range(2):
        for pushed in case.pushes:
            deliver(case, pushed, now)
        neural.run_due()

    assert TaskRun.objects.filter(handler="neural.translate_push").count() == len(case.pushes)


@pytest.mark.parametrize(
    "failure",
    [
        FetchFailed("GET connect.squareup.com answered 404", status=404),
        FetchFailed("GET connect.squareup.com answered 429", status=429, retry_after=60),
        CannotTranslate("enter an access token"),
    ],
    ids=["not found", "asked to wait", "no token"],
)
def test_a_payment_of_square_counts_at_once_and_its_order_when_it_can_be_fetched(
    failure, monkeypatch
):
    pushed = named(square.CASE, "a payment by card, with its order")
    answers = [failure]

    def fetch(push, credentials, client):
        if answers:
            raise answers.pop()
        return pushed.details

    monkeypatch.setattr(PLATFORMS.find("square"), "fetch", fetch)
    source_of(square.CASE)
    deliver(square.CASE, pushed, timezone.now())
    neural.run_due()

    payment = Payment.objects.get()
    assert (payment.amount, payment.order.state) == (Decimal("30.83"), OrderState.EXPECTED)
    run = TaskRun.objects.get(handler="neural.translate_push")
    assert str(failure) in run.error
    if run.state == RunState.DEAD:
        assert run.retry()
    neural.run_due(now=timezone.now() + dt.timedelta(days=1))

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    order = Order.objects.get()
    assert (order.state, order.balance) == (OrderState.PLACED, 0)
    assert Payment.objects.get().version == payment.version


def test_every_platform_that_is_registered_has_a_case():
    """Standard Webhooks has tests of its own."""
    assert set(PLATFORMS.names()) == {case.name for case in CASES} | {"standard"}
