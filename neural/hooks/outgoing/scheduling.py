"""Requests runs for deliveries that wait. Every relay does this, in each of its turns.

A subscription has a limited number of runs at a time: the others wait as rows, which cost nothing,
and not as runs that come up again and again while its receiver is down.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from neural.hooks.conf import conf
from neural.hooks.models import Delivery, Subscription
from neural.hooks.models.outgoing import TEST_TYPE
from neural.hooks.outgoing import subscribed
from neural.ledger.record import enqueue_all
from neural.queues import DEFAULT_PRIORITY
from neural.runs.models.new_run import new_run

DELIVER_TASK = "neural.tasks.deliver_webhook"
MOST_RUNS = 100
"""Runs of one subscription that wait or work, while its receiver takes what it gets."""
MOST_RUNS_IN_TROUBLE = 4
"""The same for a receiver that fails or is slow."""
_ABANDONED = "its run was cancelled, or is dead"


def request_deliveries() -> None:
    """Request the runs that deliveries need."""
    if not subscribed.names():
        return
    mine = Delivery.objects.filter(subscription=OuterRef("pk"))
    waits, is_on_its_way = Exists(mine.unrequested()), Exists(mine.requested())
    busy = Subscription.objects.active().filter(Q(waits) | Q(is_on_its_way))
    for subscription in busy.only("pk", "failures", "slow"):
        _request_for(subscription)


def _request_for(subscription: Subscription) -> None:
    mine = Delivery.objects.filter(subscription=subscription.pk)
    abandoned = mine.requested().without_live_run()
    if abandoned.update(state="failed", answer=_ABANDONED, sending_until=None):
        # Nobody has tried since: how long ago it failed says nothing of the next delivery.
        nothing_fails = ~Exists(mine.pending().filter(failing_since__isnull=False))
        Subscription.objects.filter(nothing_fails, pk=subscription.pk).update(failing_since=None)
    in_trouble = subscription.failures or subscription.slow
    most = MOST_RUNS_IN_TROUBLE if in_trouble else MOST_RUNS
    room = most - mine.requested()[:most].count()
    if room > 0:
        with transaction.atomic():
            # Another relay's are skipped. On SQLite there is one writer at a time.
            found = mine.unrequested().order_by("pk").select_for_update(skip_locked=True)
            _request(list(found.only("pk", "store")[:room]))


def _request(deliveries: Sequence[Delivery]) -> None:
    """Record a run for each of these, which nobody else can request now."""
    if not deliveries:
        return
    runs = [
        new_run(
            task=DELIVER_TASK,
            kwargs={"delivery_id": delivery.pk},
            queue=conf().hook_queue,
            priority=DEFAULT_PRIORITY,
            store=delivery.store_id,
            requested_by="relay",
        )
        for delivery in deliveries
    ]
    for delivery, run in zip(deliveries, runs, strict=True):
        delivery.task_id = run.task_id
    Delivery.objects.bulk_update(deliveries, ["task_id"])
    enqueue_all(runs)


def send_test(subscription: Subscription, *, by: str) -> Delivery:
    """Record a delivery of the type ``webhook.test``. A relay requests its run within a second or
    two; of a paused subscription, when it is resumed."""
    # Of one of its stores, so that a user who is limited to them sees what becomes of it.
    store = None if subscription.every_store else subscription.stores.order_by("pk").first()
    return Delivery.objects.create(
        subscription=subscription,
        store=store,
        type=TEST_TYPE,
        payload={"subscription": subscription.name, "sent_by": by},
    )
