"""Subscriptions of tests, and time that passes for their rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import F
from django.utils import timezone

import neural
from neural.hooks.models import Delivery, Subscription
from neural.hooks.outgoing.messages import rotate_secret
from neural.hooks.outgoing.scheduling import request_deliveries
from neural.ledger.outcome import Outcome
from neural.models import TaskRun
from tests.unit.factories import make_store

STOCK = "inventory.updated"


def subscribe(url: str, *names: str, stores: Sequence[str] = (), **fields: Any) -> Subscription:
    """A saved subscription to these types; of every store unless stores are named."""
    fields.setdefault("name", "ERP")
    fields.setdefault("every_store", not stores)
    subscription = Subscription.objects.create(url=url, **fields)
    subscription.stores.set([make_store(code) for code in stores])
    subscription.subscribe(set(names or [STOCK]))
    rotate_secret(subscription, now=timezone.now())
    return subscription


def happens(event_id: str = "1", *, store: str = "S1", **fields: Any) -> Any:
    """A recorded event of the store."""
    payload = {"item": "面粉", "level": 3}
    values = {"type": STOCK, "source": "pos", "payload": payload, **fields}
    return neural.submit(store=store, event_id=event_id, **values).or_raise()


def turn() -> Sequence[Outcome]:
    """A relay's turn, and the runs of webhooks that are due after it."""
    request_deliveries()
    return [each for each in neural.run_due() if "webhook" in each.run.task]


def passes(**span: float) -> None:
    """Let time pass: every time in the rows is so much longer ago."""
    past = dt.timedelta(**span)
    for model, names in (
        (TaskRun, ("available_at", "publish_at")),
        (Subscription, ("retry_at", "failing_since")),
        (Delivery, ("failing_since", "sending_until", "created_at")),
    ):
        model.objects.update(**{name: F(name) - past for name in names})


def only() -> Delivery:
    """The one delivery that there is."""
    return Delivery.objects.get()
