"""Inserts finished runs by the million, with their events and attempts: set-based, in slices.

Row ``number`` is the same on every machine: store, state and amounts follow from its hash. Rows are
inserted in the order of time, as in real use, and the last million with all constraints and indexes
in place. The indexes of those before are built afterwards.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection
from tqdm import tqdm

from benchmarks.growth.ledger import STORES, TABLES, WORKERS, execute, without_indexes
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


SLICE, LIVE = 250_000, 1_000_000
RUNS_A_DAY = 333_333
"""Of all stores: ten million runs are the thirty days for which runs are kept by default."""

_ITEMS = """
    WITH kind AS (
        SELECT * FROM jsonb_to_recordset(%(kinds)s::jsonb) AS kind(
            place int, type text, handlers text[], payload text,
            task text, queue text, priority smallint)
    ), drawn AS (
        SELECT number, hashint8(number)::bigint + 2147483648 AS luck, md5(number::text) AS noise,
            now() - interval '1 day' * ((%(total)s - number) / %(runs_a_day)s::float8) AS made_at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
    ), item AS (
        SELECT *, 'S' || lpad(mod(luck, %(stores)s)::text, 3, '0') AS store,
            mod(luck / %(stores)s, 1000) AS fate
        FROM drawn JOIN kind ON kind.place = mod(number, 100)
    )"""

# Half of the stores number their events, the others use UUIDs.
EVENTS = f"""
    INSERT INTO neural_neuralevent (id, store_id, source, event_id, type, payload, content_hash,
        unhandled, occurred_at, recorded_at)
    {_ITEMS}
    SELECT number, store, CASE WHEN mod(luck, 3) = 0 THEN 'delivery-app' ELSE 'till' END,
        CASE WHEN mod(luck, 2) = 0 THEN noise::uuid::text ELSE store || '-' || number END,
        type, format(payload, number, made_at::date, mod(luck, 900)::numeric + 0.5,
            mod(luck, 90) + 1)::jsonb,
        noise, cardinality(handlers) = 0, made_at - interval '3 seconds', made_at
    FROM item WHERE type IS NOT NULL"""

# Of a thousand runs 5 are dead, 5 cancelled and 5 discarded; 20 have failed once or twice. Task
# ids are UUIDs of version 7, like those that neural creates.
RUNS = f"""
    INSERT INTO neural_taskrun (id, task_id, task, handler, event_id, store_id, args, kwargs,
        options, parent_task_id, queue, priority, requested_by, state, created_at, available_at,
        publish_at, failures, losses, worker_id, process_id, started_at, finished_at, result, error)
    {_ITEMS}, run AS (
        SELECT *, number + nth - 1 AS id, md5(number || handler) AS own,
            lpad(to_hex((extract(epoch FROM made_at) * 1000)::bigint), 12, '0') AS instant,
            CASE WHEN fate < 5 OR fate BETWEEN 10 AND 14 THEN 2
                WHEN fate BETWEEN 15 AND 24 THEN 1 ELSE 0 END AS failures,
            CASE WHEN fate < 5 THEN 'dead' WHEN fate < 10 THEN 'cancelled'
                WHEN fate < 15 THEN 'discarded' ELSE 'succeeded' END AS state
        FROM item CROSS JOIN unnest(handlers) WITH ORDINALITY AS handled(handler, nth)
    )
    SELECT id, concat_ws('-', left(instant, 8), right(instant, 4), '7' || left(own, 3),
            '8' || substr(own, 4, 3), right(own, 12)),
        task, handler, CASE WHEN type IS NOT NULL THEN number END, store, '[]', '{{}}', '{{}}',
        CASE WHEN type IS NULL AND mod(luck, 2) = 0 THEN md5((luck / 10)::text)::uuid::text
            ELSE '' END,
        queue, priority, CASE WHEN type IS NULL THEN 'celery message' ELSE 'till gateway' END,
        state, made_at, made_at + failures * interval '1 minute',
        made_at + failures * interval '1 minute' + interval '15 seconds', failures, 0,
        worker, 1000 + worker, begun_at, made_at + failures * interval '1 minute 30 milliseconds',
        CASE WHEN type IS NULL THEN '{{"rows": 3}}'::jsonb END,
        CASE WHEN failures > 0 THEN %(error)s ELSE '' END
    FROM run CROSS JOIN LATERAL (SELECT
        CASE WHEN state <> 'cancelled' THEN 1 + mod(luck, %(workers)s) END AS worker,
        CASE WHEN state <> 'cancelled' THEN made_at + failures * interval '1 minute' END AS begun_at
    ) AS work"""

ATTEMPTS = """
    INSERT INTO neural_tasktry (run_id, outcome, started_at, finished_at, worker_id, process_id,
        error, traceback)
    SELECT run.id, 'failed', created_at + nth * interval '50 seconds',
        created_at + nth * interval '60 seconds', worker_id, process_id, error, %(traceback)s
    FROM neural_taskrun AS run CROSS JOIN generate_series(1, run.failures) AS nth
    WHERE run.id BETWEEN %(first)s AND %(last)s AND run.failures > 0"""


def grow(total: int) -> dict[str, int]:
    """Insert the last ``total`` runs of a chain until now; returns the pace of the last million."""
    built = max(total - LIVE, 0)
    with tqdm(total=total, unit="run", unit_scale=True) as bar:
        if built:
            with without_indexes(TABLES):
                _insert(1, built, total, bar)
        began = time.perf_counter()
        _insert(built + 1, total, total, bar)
    return {"live_runs_per_second": round((total - built) / (time.perf_counter() - began))}


def of_slice(first: int, last: int, total: int) -> dict[str, Any]:
    """The parameters of the statements above."""
    texts = {"kinds": kinds(), "error": ERROR, "traceback": TRACEBACK}
    counts = {"total": total, "stores": STORES, "workers": WORKERS, "runs_a_day": RUNS_A_DAY}
    return {"first": first, "last": last, **counts, **texts}


def _insert(first: int, last: int, total: int, bar: Any) -> None:
    """Insert these runs; slices of theirs are inserted side by side."""

    def insert(own: tuple[int, int]) -> int:
        try:
            for statement in (EVENTS, RUNS):
                execute(statement, of_slice(*own, total))
        finally:
            connection.close()  # of this thread
        return own[1] - own[0] + 1

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for done in threads.map(insert, _slices(first, last)):
            bar.update(done)
    execute(ATTEMPTS, of_slice(first, last, total))


def _slices(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, SLICE):
        yield start, min(start + SLICE - 1, last)
