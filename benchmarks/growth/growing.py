"""Inserts finished runs by the million, with their events and attempts: set-based, in slices.

Row ``number`` is the same on every machine: store, state and amounts follow from its hash. All
constraints and indexes are active. Rows are inserted in the order of time, as in real use.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from tqdm import tqdm

from benchmarks.growth.kinds import ERROR, TRACEBACK, kinds
from benchmarks.growth.ledger import STORES, WORKERS, execute

SLICE = 250_000

_ITEMS = """
    WITH kind AS (
        SELECT * FROM jsonb_to_recordset(%(kinds)s::jsonb) AS kind(
            place int, type text, handlers text[], payload text,
            task text, queue text, priority smallint)
    ), drawn AS (
        SELECT number, hashint8(number)::bigint + 2147483648 AS luck, md5(number::text) AS noise,
            now() - interval '365 days' * (1 - number::float8 / %(total)s) AS made_at
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


def grow(*, have: int, want: int, total: int) -> list[dict[str, int]]:
    """Insert runs until there are ``want`` of a year's ``total``; returns each slice's pace."""
    slices = []
    with tqdm(total=want, initial=have, unit="run", unit_scale=True) as bar:
        for first, last in _slices(have + 1, want):
            began = time.perf_counter()
            _insert(of_slice(first, last, total))
            seconds = time.perf_counter() - began
            slices.append({"runs": last, "runs_per_second": round((last - first + 1) / seconds)})
            bar.update(last - first + 1)
    return slices


def of_slice(first: int, last: int, total: int) -> dict[str, Any]:
    """The parameters of the statements above."""
    texts = {"kinds": kinds(), "error": ERROR, "traceback": TRACEBACK}
    counts = {"total": total, "stores": STORES, "workers": WORKERS}
    return {"first": first, "last": last, **counts, **texts}


def _slices(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, SLICE):
        yield start, min(start + SLICE - 1, last)


def _insert(parameters: dict[str, Any]) -> None:
    with transaction.atomic():
        for statement in (EVENTS, RUNS, ATTEMPTS):
            execute(statement, parameters)
