"""Tasks of this app on the ledger."""

import asyncio
import os
import time
from contextlib import suppress
from functools import partial

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction

import neural
from neural.ledger.work import current_run
from tests.probe import (  # Celery looks for tasks here alone
    acting,
    canvas,  # noqa: F401
    django_tasks,  # noqa: F401
    misbehaving,
)
from tests.probe.acting import Order, act, directory, effect, effect_if_missing, say, started


@shared_task(base=neural.LedgerTask, name="probe.count", atomic=True)
def count(**order):
    return act(Order(**order))


@shared_task(base=neural.LedgerTask, name="probe.count_in_two_steps")
def count_in_two_steps(**order):
    return act(Order(**order), leave=effect_if_missing)


@shared_task(base=neural.LedgerTask, name="probe.count_async")
async def count_async(**order):
    from asgiref.sync import sync_to_async

    wanted = Order(**order)
    started(wanted.key)
    await sync_to_async(effect_if_missing)(wanted)
    return f"async {await sync_to_async(acting.misbehave)(wanted)}"


@shared_task(base=neural.LedgerTask, name="probe.announce", atomic=True)
def announce(key):
    """Leave an effect, and say so in a file when it is committed."""
    effect(Order(key=key, counter=""))
    transaction.on_commit(partial(say, key))


@shared_task(base=neural.LedgerTask, name="probe.announce_in_two_steps")
def announce_in_two_steps(key):
    effect_if_missing(Order(key=key, counter=""))


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


@shared_task(base=neural.LedgerTask, name="probe.wait", bind=True)
async def wait(self, key, seconds=1.0):
    """Waits, and says how its request is before and after."""
    before = (self.request.id, self.request.kwargs["key"], current_run().task_id)
    await asyncio.sleep(seconds)
    after = (self.request.id, self.request.kwargs["key"], current_run().task_id)
    return [*before, *after]


@shared_task(base=neural.LedgerTask, name="probe.wait_at_gate")
async def wait_at_gate(**order):
    """Waits for a gate, then leaves its effect by an ORM call in Django's thread."""
    from asgiref.sync import sync_to_async

    wanted = Order(**order)
    started(wanted.key)
    while wanted.gate and not (directory() / wanted.gate).exists():  # noqa: ASYNC110 (a file)
        await asyncio.sleep(0.02)
    await sync_to_async(effect_if_missing)(wanted)
    return "done"


@shared_task(base=neural.LedgerTask, name="probe.block", soft_time_limit=1, time_limit=3)
async def block(key, seconds):
    """Blocks its event loop on its first delivery, where no limit reaches it."""
    from asgiref.sync import sync_to_async

    started(key)
    if not current_run().losses:
        time.sleep(seconds)  # noqa: ASYNC251 (that is the fault)
    await sync_to_async(effect_if_missing)(Order(key=key))
