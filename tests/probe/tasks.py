"""Tasks of this app on the ledger."""

import os
import time
from contextlib import suppress

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

import neural
from neural.ledger.work import current_run
from tests.probe import (  # Celery looks for tasks here alone
    canvas,  # noqa: F401
    django_tasks,  # noqa: F401
    misbehaving,
)
from tests.probe.acting import Order, act, effect_if_missing, started


@shared_task(base=neural.LedgerTask, name="probe.count", atomic=True)
def count(**order):
    return act(Order(**order))


@shared_task(base=neural.LedgerTask, name="probe.count_in_two_steps")
def count_in_two_steps(**order):
    return act(Order(**order), leave=effect_if_missing)


@shared_task(base=neural.LedgerTask, name="probe.count_async")
async def count_async(**order):
    from asgiref.sync import sync_to_async

    started(order["key"])
    await sync_to_async(effect_if_missing)(Order(**order))
    return "async done"


@shared_task(base=neural.LedgerTask, name="probe.give_back")
def give_back(*args, **kwargs):
    return [list(args), kwargs]


@shared_task(
    base=neural.LedgerTask, name="probe.too_slow", soft_time_limit=1, time_limit=30, atomic=True
)
def too_slow(**order):
    return act(Order(**order))


@shared_task(base=neural.LedgerTask, name="probe.stuck", soft_time_limit=1, time_limit=8)
def stuck(key, seconds):
    """Hangs on its first delivery only, and swallows the soft limit.

    The limit holds for the second delivery, too, which a busy machine must have done by then.
    """
    started(key)
    if not current_run().losses:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(seconds)
        time.sleep(seconds)
    effect_if_missing(Order(key=key))
    return "done"


@shared_task(base=neural.LedgerTask, name="probe.asks_for_retry", bind=True)
def asks_for_retry(self, key):
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    effect_if_missing(Order(key=key))
    return self.request.retries


if "PROBE_OLD" not in os.environ:

    @shared_task(base=neural.LedgerTask, name="probe.new_task", atomic=True)
    def new_task(**order):
        """Of the new version: an old worker does not know it."""
        return act(Order(**order))


@shared_task(base=neural.LedgerTask, name="probe.misbehave", max_retries=0, atomic=True)
def misbehave(name):
    misbehaving.CASES[name].act()
