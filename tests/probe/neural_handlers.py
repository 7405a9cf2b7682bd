"""Event types and handlers of this app."""

import asyncio
import os

import neural
from neural.queues import HIGH_PRIORITY, HIGH_PRIORITY_QUEUE, LOW_PRIORITY, LOW_PRIORITY_QUEUE
from tests.probe import misbehaving, training  # noqa: F401  (registers its model types)
from tests.probe.acting import (
    Failing,
    Order,
    act,
    directory,
    effect,
    effect_if_missing,
    misbehave,
    started,
)
from tests.probe.models import Effect

IS_OLD = "PROBE_OLD" in os.environ
"""Whether this process shall know nothing of what came with the new version."""
NEW_TYPES = () if IS_OLD else ("probe.new_type",)

for name, queue, priority in (
    ("probe.counted", "default", 5),
    ("probe.urgent", HIGH_PRIORITY_QUEUE, HIGH_PRIORITY),
    ("probe.low", LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    ("probe.batched", "default", 5),
    ("probe.two_step", "default", 5),
    ("probe.async", "default", 5),
    ("probe.pair", "default", 5),
    ("probe.unhandled", "default", 5),
    ("probe.policy", "default", 5),
    ("probe.upgraded", "default", 5),
    *((name, "default", 5) for name in NEW_TYPES),
    ("probe.misbehaving", "default", 5),
    ("probe.misbehaving_many", "default", 5),
    ("probe.misbehaving_async", "default", 5),
):
    neural.register_event_type(
        neural.EventType(name=name, schema=Order, queue=queue, priority=priority)
    )


@neural.handles("probe.counted", "probe.urgent", "probe.low", *NEW_TYPES, name="probe.count")
def count(event, data):
    return act(data)


@neural.handles("probe.batched", name="probe.count_many", batch=True)
def count_many(received):
    for _event, data in received:
        started(data.key)
        effect(data)
    for event, data in received:
        misbehave(data, event.runs.get())


@neural.handles("probe.two_step", name="probe.count_in_two_steps", atomic=False)
def count_in_two_steps(event, data):
    return act(data, leave=effect_if_missing)


@neural.handles("probe.async", name="probe.count_async")
async def count_async(event, data):
    started(data.key)
    await asyncio.sleep(0.01)
    await asyncio.to_thread(misbehave, data.model_copy(update={"seconds": 0}))
    await asyncio.sleep(data.seconds)
    await asyncio.to_thread(effect_if_missing_here, data)
    return f"async {data.result}"


def effect_if_missing_here(data):
    """In a thread of its own: its database connection must not outlive it."""
    from django.db import connections

    try:
        effect_if_missing(data)
    finally:
        connections.close_all()


@neural.handles("probe.pair", name="probe.left")
def left(event, data):
    return act(data)


@neural.handles("probe.pair", name="probe.right")
def right(event, data):
    return act(data.model_copy(update={"key": f"{data.key}-right", "fail_times": 0}))


@neural.handles(
    "probe.policy",
    name="probe.own_policy",
    retry=neural.RetryPolicy(max_retries=1, base_seconds=7, jitter=0),
)
def own_policy(event, data):
    return act(data)


if "PROBE_KITCHEN" in os.environ:

    @neural.handles(
        "order.created",
        name="probe.print_ticket",
        retry=neural.RetryPolicy(max_retries=1, base_seconds=0.2, jitter=0),
    )
    def print_ticket(event, data):
        """Fails while there is no paper: a file of that name, as `Order.gate`'s."""
        if not (directory() / "paper").exists():
            raise Failing("the ticket printer has no paper")
        Effect.objects.create(key=event.event_id, process_id=os.getpid())


if not IS_OLD:

    @neural.handles("probe.upgraded", name="probe.new_handler")
    def new_handler(event, data):
        return act(data)


@neural.handles("probe.misbehaving", name="probe.misbehave")
def misbehave_once(event, data):
    effect(data)
    if data.case:
        misbehaving.once(data.key, data.case)


@neural.handles("probe.misbehaving_many", name="probe.misbehave_many", batch=True)
def misbehave_many(received):
    for event, data in received:
        misbehave_once(event, data)


@neural.handles("probe.misbehaving_async", name="probe.misbehave_async")
async def misbehave_async(event, data):
    """Hangs once."""
    if (mark := directory() / f"misbehaved-{data.key}").exists():
        return await asyncio.to_thread(effect_if_missing_here, data)
    mark.touch()
    return await asyncio.sleep(60)
