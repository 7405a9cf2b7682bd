"""Deliveries through a real worker: its relay requests them, its processes send them."""

import json

import pytest

import neural
from neural.hooks.models import Delivery, DeliveryState
from neural.hooks.outgoing import subscribed
from tests.unit.hooks.receiving import answering, is_signed, receiver
from tests.unit.hooks.subscribing import STOCK, subscribe
from tests.watching import wait_until

pytestmark = pytest.mark.integration

EVENTS = 20


@pytest.fixture(autouse=True)
def _forgotten():
    subscribed.forget()
    yield
    subscribed.forget()


def test_events_and_outcomes_reach_a_receiver_through_a_worker(cluster):
    with receiver() as erp:
        erp.answers.append(answering(429, Retry_After="1"))
        subscription = subscribe(erp.url(), "inventory.*", "run.succeeded")
        list(
            neural.submit_many(
                {
                    "type": STOCK,
                    "store": "S1",
                    "source": "pos",
                    "event_id": str(number),
                    "payload": {"item": "flour", "level": number},
                }
                for number in range(EVENTS)
            )
        )
        cluster.start_worker(outbound_private_addresses=True)
        wait_until(
            lambda: Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 2 * EVENTS,
            120,
        )
        secret = subscription.secrets[0]["secret"]
        assert all(is_signed(got, secret) for got in erp.got)
        bodies = [json.loads(got.body) for got in erp.got]
        for kind in (STOCK, "run.succeeded"):
            told = {body["data"]["event_id"] for body in bodies if body["type"] == kind}
            assert told == {str(number) for number in range(EVENTS)}
        first = erp.got[0].headers["webhook-id"]  # it was asked to wait, and came again
        assert [got.headers["webhook-id"] for got in erp.got].count(first) >= 2
