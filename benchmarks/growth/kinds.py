"""The mix of a chain's events: how many of a hundred have which type, with their payloads."""

import json
from collections.abc import Sequence
from typing import Any

from neural.queues import (
    DEFAULT_PRIORITY,
    DEFAULT_QUEUE,
    HIGH_PRIORITY,
    HIGH_PRIORITY_QUEUE,
    LOW_PRIORITY,
    LOW_PRIORITY_QUEUE,
)

Kind = dict[str, Any]
EVENT_TASK = "neural.tasks.process_neural_event"
URGENT = {"queue": HIGH_PRIORITY_QUEUE, "priority": HIGH_PRIORITY, "task": EVENT_TASK}
ORDINARY = {"queue": DEFAULT_QUEUE, "priority": DEFAULT_PRIORITY, "task": EVENT_TASK}
NIGHTLY = {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY}

# Placeholders of SQL's format(): 1 is the row's number, 2 a day, 3 an amount, 4 a quantity.
ORDER = (
    '{"order_id": "A-%1$s", "currency": "CNY", "placed_at": "%2$sT12:34:56+08:00", "lines": ['
    '{"dish": "egg-tart", "name": "Egg tart", "quantity": %4$s, "price": "7.50"},'
    '{"dish": "dan-dan-noodles", "name": "Dan dan noodles", "quantity": 1, "price": "%3$s"},'
    '{"dish": "plum-juice", "name": "Sour plum juice", "quantity": 2, "price": "9.00"}]}'
)
REPORT = (
    '{"day": "%2$s", "weather": "rain", "lines": ['
    '{"dish": "egg-tart", "name": "Egg tart", "quantity": %4$s, "revenue": "%3$s"},'
    '{"dish": "dan-dan-noodles", "name": "Dan dan noodles", "quantity": 41, "revenue": "902.00"},'
    '{"dish": "plum-juice", "name": "Sour plum juice", "quantity": 23, "revenue": "207.00"}]}'
)
PAYMENT = '{"payment_id": "P-%1$s", "order_id": "A-%1$s", "amount": "%3$s", "method": "wechat"}'
STOCK = '{"item": "flour-%4$s", "level": %4$s, "threshold": 20, "unit": "kg"}'
DISH = '{"dish": "dish-%4$s", "name": "Dish %4$s", "price": "%3$s", "category": "noodles"}'
SHIFT = (
    '{"shift_id": "W-%1$s", "staff_id": "E-%4$s", "role": "cook", '
    '"starts_at": "%2$sT09:00:00", "ends_at": "%2$sT17:00:00"}'
)
FEEDBACK = '{"text": "The noodles were cold, the tea was hot: visit %1$s.", "rating": 3}'


def _kind(name: str | None, handlers: Sequence[str], payload: str, where: Kind) -> Kind:
    return {"type": name, "handlers": list(handlers), "payload": payload, **where}


# The nightly task is a run without an event, feedback is an event without a run, and one report in
# eleven has two handlers. So a hundred places have a hundred runs and 99 events.
SHARES: Sequence[tuple[int, Kind]] = (
    (40, _kind("order.created", ["neural.record_order"], ORDER, URGENT)),
    (15, _kind("order.updated", ["neural.record_order"], ORDER, URGENT)),
    (25, _kind("payment.completed", ["neural.record_payment"], PAYMENT, URGENT)),
    (5, _kind("inventory.updated", ["neural.record_stock"], STOCK, URGENT)),
    (10, _kind("sales.reported", ["neural.record_sales"], REPORT, ORDINARY)),
    (1, _kind("dish.updated", ["neural.record_dish"], DISH, ORDINARY)),
    (1, _kind("staff.scheduled", ["neural.schedule_shift"], SHIFT, ORDINARY)),
    (1, _kind("sales.reported", ["forecast.refresh", "neural.record_sales"], REPORT, ORDINARY)),
    (1, _kind("feedback.received", [], FEEDBACK, ORDINARY)),
    (1, _kind(None, [""], "", {**NIGHTLY, "task": "neural.tasks.analyse_demand"})),
)


def kinds() -> str:
    """The kinds as JSON, one object for each of the hundred places."""
    each = [kind for share, kind in SHARES for _ in range(share)]
    return json.dumps([{"place": place, **kind} for place, kind in enumerate(each)])


ERROR = "ConnectionError: the till of the store did not answer within 10 seconds"
TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/srv/chain/integration/step_{place}.py", line {37 * place}, in forward\n'
    f"    return self.client.send(message, timeout=self.timeout_of(step_{place}))\n"
    for place in range(1, 9)
)
