"""Inserts a chain's ledger: finished runs of 400 days, their events and failed attempts.

Row ``number`` is the same on every machine: work, store and outcome follow from its hash.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from tqdm import tqdm

from benchmarks.growth.growing import ERROR, TRACEBACK
from benchmarks.growth.ledger import STORES, execute, without_indexes
from benchmarks.growth.ledger import TABLES as LARGE

DAYS = 400
WORKS, PROCESSES, SCHEDULES = 60, 300, 50
SLICE = 250_000
PARTS = {"stores": STORES, "works": WORKS, "processes": PROCESSES, "schedules": SCHEDULES}

WORK = "'chain.work_' || lpad({0}::text, 2, '0')"
"""The name of a work, by its number."""
QUEUE = (
    "CASE WHEN {0} < 20 THEN 'high_priority' WHEN {0} < 50 THEN 'default' ELSE 'low_priority' END"
)
STORE = "'S' || lpad({0}::text, 3, '0')"
TYPE = (
    "(ARRAY['order.created', 'order.updated', 'payment.completed', 'inventory.updated',"
    " 'sales.reported'])[1 + mod({0}, 5)]"
)

_STORES = f"""
    INSERT INTO neural_store (code, name, time_zone, confirmed)
    SELECT {STORE.format("place")}, 'Store ' || place, 'Asia/Shanghai', true
    FROM generate_series(0, %(stores)s - 1) AS place"""

# Nearly all have stopped long ago; every fiftieth was lost.
_PROCESSES = """
    INSERT INTO neural_workerprocess
        (name, host, process_id, queues, concurrency, started_at, heartbeat_at, stopped_at, lost_at)
    SELECT 'worker-' || place, 'host-' || mod(place, 4), 100 + place,
        '["high_priority", "default", "low_priority"]', 4,
        ended_at - interval '2 days', ended_at,
        CASE WHEN mod(place, 50) > 0 THEN ended_at END,
        CASE WHEN mod(place, 50) = 0 THEN ended_at END
    FROM generate_series(1, %(processes)s) AS place
    CROSS JOIN LATERAL (SELECT now() - interval '32 hours' * (%(processes)s - place)
        - interval '10 minutes' AS ended_at) AS life"""

_ITEMS = """
    WITH item AS (
        SELECT number, luck, mod(luck, %(works)s) AS place,
            'S' || lpad(mod(luck / %(works)s, %(stores)s)::text, 3, '0') AS store,
            mod(luck / (%(works)s * %(stores)s), 2000) AS fate,
            now() - interval '1 day' * %(days)s * (1 - number::float8 / %(total)s) AS made_at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number
        CROSS JOIN LATERAL (SELECT hashint8(number)::bigint + 2147483648 AS luck) AS drawn
    )"""

# Works from the fifty-fourth on are tasks of schedules, which have no event.
_EVENTS = f"""
    INSERT INTO neural_neuralevent (id, store_id, source, event_id, type, payload, content_hash,
        unhandled, occurred_at, recorded_at)
    {_ITEMS}
    SELECT number, store, 'till', store || '-' || number, {TYPE.format("place::int")},
        format('{{"order_id": "A-%%s", "amount": "%%s.50", "dish": "egg-tart"}}',
            number, mod(luck, 900))::jsonb,
        md5(number::text), false, made_at - interval '3 seconds', made_at
    FROM item WHERE place < 54"""

# Of 2,000 runs one is dead after five attempts, and nine failed once.
_RUNS = f"""
    INSERT INTO neural_taskrun (id, task_id, task, handler, event_id, store_id, args, kwargs,
        options, parent_task_id, queue, priority, requested_by, state, created_at, available_at,
        publish_at, failures, losses, worker_id, process_id, started_at, finished_at, result, error)
    {_ITEMS}, run AS (
        SELECT *, place < 54 AS is_of_event, {WORK.format("place")} AS work,
            CASE WHEN fate < 1 THEN 5 WHEN fate < 10 THEN 1 ELSE 0 END AS failures,
            1 + mod(number * %(processes)s / %(total)s, %(processes)s) AS worker,
            md5(number::text) AS noise
        FROM item
    )
    SELECT number,
        CASE WHEN is_of_event
            THEN concat_ws('-', left(noise, 8), substr(noise, 9, 4), '7' || substr(noise, 13, 3),
                '8' || substr(noise, 16, 3), right(noise, 12))
            ELSE 'schedule-' || 1 + mod(luck / 7, %(schedules)s) || '-'
                || to_char(made_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
        CASE WHEN is_of_event THEN 'neural.tasks.process_neural_event' ELSE work END,
        CASE WHEN is_of_event THEN work ELSE '' END,
        CASE WHEN is_of_event THEN number END, CASE WHEN is_of_event THEN store END,
        '[]', '{{}}', '{{}}', '', {QUEUE.format("place")},
        CASE WHEN place < 20 THEN 10 WHEN place < 50 THEN 5 ELSE 1 END, 'till gateway',
        CASE WHEN fate < 1 THEN 'dead' ELSE 'succeeded' END, made_at, due_at, due_at, failures, 0,
        worker, 1000 + worker, due_at + interval '40 milliseconds',
        due_at + interval '60 milliseconds', NULL,
        CASE WHEN failures > 0 THEN %(error)s ELSE '' END
    FROM run CROSS JOIN LATERAL (SELECT made_at + failures * interval '1 minute' AS due_at) AS at"""

_ATTEMPTS = """
    INSERT INTO neural_tasktry (run_id, outcome, started_at, finished_at, worker_id, process_id,
        error, traceback)
    SELECT run.id, 'failed', created_at + nth * interval '50 seconds',
        created_at + nth * interval '60 seconds', worker_id, process_id, error, %(traceback)s
    FROM neural_taskrun AS run CROSS JOIN generate_series(1, run.failures) AS nth
    WHERE run.failures > 0 ORDER BY run.id, nth"""


def fill(runs: int) -> None:
    """Insert stores, processes, and so many runs with what belongs to them."""
    execute(_STORES, PARTS)
    execute(_PROCESSES, PARTS)
    with without_indexes(LARGE):
        slices = list(_slices(runs))
        with ThreadPoolExecutor(os.cpu_count()) as threads, tqdm(total=runs, unit="run") as bar:
            for done in threads.map(lambda each: _fill_slice(*each, runs), slices):
                bar.update(done)
        execute(_ATTEMPTS, {"traceback": TRACEBACK})
    for table in LARGE[:2]:  # whose keys were given; live rows follow
        execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {runs + 1}")


def _slices(runs: int) -> Iterator[tuple[int, int]]:
    for start in range(1, runs + 1, SLICE):
        yield start, min(start + SLICE - 1, runs)


def _fill_slice(first: int, last: int, total: int) -> int:
    about = {**PARTS, "days": DAYS, "total": total, "error": ERROR, "first": first, "last": last}
    try:
        for statement in (_EVENTS, _RUNS):
            execute(statement, about)
    finally:
        connection.close()  # of this thread
    return last - first + 1
