"""Queues and priorities. Pure: no database."""

import pytest

from neural.events.types import event_types
from neural.queues import DEFAULT_PRIORITY, HIGH_PRIORITY, LOW_PRIORITY, PRIORITIES, QUEUES
from zhilian.celery import app

URGENT = {
    "order.created",
    "order.updated",
    "order.cancelled",
    "order.stated",
    "order.status_changed",
    "order.merged",
    "payment.completed",
    "payment.refunded",
    "payment.stated",
    "refund.stated",
    "delivery.updated",
    "inventory.low",
    "inventory.updated",
}
ORDINARY = {
    "dish.updated",
    "item.sold_out",
    "item.available",
    "menu.updated",
    "staff.scheduled",
    "staff.clocked_in",
    "staff.clocked_out",
    "store.opened",
    "store.closed",
    "store.busy",
    "feedback.received",
    "sales.reported",
    "settlement.stated",
    "day.closed",
    "till.pushed",
}


def test_priority_10_is_most_urgent():
    assert HIGH_PRIORITY == 10 == max(PRIORITIES)
    assert LOW_PRIORITY == 1 == min(PRIORITIES)
    assert DEFAULT_PRIORITY == 5


@pytest.mark.parametrize(
    ("names", "queue", "priority"), [(URGENT, "high_priority", 10), (ORDINARY, "default", 5)]
)
def test_each_built_in_type_goes_where_the_design_says(names, queue, priority):
    types = {each.name: each for each in event_types()}
    own = {name for name in types if types[name].schema.__module__.startswith("neural.restaurant")}

    assert own == URGENT | ORDINARY
    assert {(types[name].queue, types[name].priority) for name in names} == {(queue, priority)}


def test_each_queue_has_an_exchange_and_a_routing_key_of_its_own():
    """`Queue(name)` alone binds to the default exchange: a message there runs three times."""
    queues = {queue.name: queue for queue in app.conf.task_queues}

    assert set(queues) == set(QUEUES)
    for name, queue in queues.items():
        assert (queue.exchange.name, queue.routing_key) == (name, name)
