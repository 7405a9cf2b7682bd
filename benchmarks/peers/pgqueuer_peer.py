"""PgQueuer on asyncpg, the driver that its command prefers, without Django on the way.

The event row and its job are written in one transaction, by one statement each. In bulk, arrays of
500 of both are unnested. Two workers (``pgq run``, its default batches of ten) run asynchronous
jobs: each upsert is a transaction of its own, and a worker has ten connections for them, the
default of asyncpg's pool, so ten jobs wait for the disk together. ``pgqueuer-two`` is the same
with one connection, for the two handlers at a time that the other systems have.

Outcomes are written ten at a time in a transaction of their own, in a log (the default,
``durable``). The job itself is deleted.
"""

import asyncio
import itertools
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import asyncpg  # type: ignore[import-not-found]
import uvloop  # type: ignore[import-not-found]
from pgqueuer import PgQueuer  # type: ignore[import-not-found]
from pgqueuer.adapters.persistence.qb import (  # type: ignore[import-not-found]
    QueryBuilderEnvironment,
)
from pgqueuer.models import Job  # type: ignore[import-not-found]
from pgqueuer.queries import Queries  # type: ignore[import-not-found]

from benchmarks.peers.work import ADD_DEMAND, Report, System

URL = os.environ["DATABASE_URL"]
AT_ONCE = int(os.environ.get("PEERS_AT_ONCE", "10"))
CHUNK = 500
JOB, WAIT = "add_to_demand", "wait"
EVENTS = """
    INSERT INTO peers_event (type, store, source, event_id, payload, recorded_at)
    SELECT 'sales.reported', store, 'bench', event_id, payload, now()
    FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS report (store, event_id, payload)
"""
_NUMBERS = itertools.count(1)
NUMBERED = re.sub("%s", lambda _: f"${next(_NUMBERS)}", ADD_DEMAND)


@asynccontextmanager
async def worker() -> AsyncIterator[PgQueuer]:
    """One connection for the queue, and a pool for the jobs."""
    async with asyncpg.create_pool(URL, min_size=AT_ONCE, max_size=AT_ONCE) as pool:
        queue = PgQueuer.from_asyncpg_connection(await asyncpg.connect(URL))

        @queue.entrypoint(JOB)
        async def add_to_demand(job: Job) -> None:
            """Add a day's report to the demand."""
            await pool.execute(NUMBERED, *_parameters(json.loads(job.payload)))

        @queue.entrypoint(WAIT)
        async def wait(job: Job) -> None:
            """Wait so many milliseconds."""
            await asyncio.sleep(int(job.payload) / 1000)

        yield queue


def _parameters(report: dict[str, Any]) -> list[Any]:
    day = date.fromisoformat(report["day"])
    return [
        value
        for line in report["lines"]
        for value in (report["store"], day, line["dish"], Decimal(line["quantity"]))
    ]


@cache
def _loop() -> "asyncio.Runner":
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


@cache
def _connection() -> Any:
    return _loop().run(asyncpg.connect(URL))


async def _write(reports: Sequence[Report]) -> None:
    """Write the rows and the jobs in one transaction."""
    connection = _connection()
    async with connection.transaction():
        await connection.execute(
            EVENTS,
            [each.store for each in reports],
            [each.event_id for each in reports],
            [json.dumps(each.payload) for each in reports],
        )
        payloads = [json.dumps({"store": each.store, **each.payload}).encode() for each in reports]
        jobs = Queries.from_asyncpg_connection(connection)
        await jobs.enqueue([JOB] * len(reports), payloads, [0] * len(reports))


def submit(report: Report) -> None:
    """Write the row and its job."""
    submit_many([report])


def submit_many(reports: Sequence[Report]) -> None:
    """Write in chunks, a transaction each."""
    _connection()
    for start in range(0, len(reports), CHUNK):
        _loop().run(_write(reports[start : start + CHUNK]))


RUN = [sys.executable, "-m", "pgqueuer", "run", "--log-level", "WARNING"]
SYSTEM = System(
    workers=[[*RUN, "benchmarks.peers.pgqueuer_peer:worker"]] * 2,
    outcomes="""
        SELECT count(*) FILTER (WHERE status = 'successful'),
               min(created) FILTER (WHERE status = 'picked'),
               max(created) FILTER (WHERE status = 'successful')
        FROM pgqueuer_log
    """,
    submit=submit,
    submit_many=submit_many,
    prepare=QueryBuilderEnvironment().build_install_query(),
)
