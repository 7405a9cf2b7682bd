"""PgQueuer's part of ``benchmarks.waiting``.

    python -m benchmarks.peers.pgqueuer_waiting CALLS MILLISECONDS

Two workers (``pgq run``) have at most a hundred jobs at once each. Prints the seconds from the
first start to the last outcome.
"""

import asyncio
import sys
from typing import Any

import asyncpg  # type: ignore[import-not-found]
from pgqueuer.adapters.persistence.qb import (  # type: ignore[import-not-found]
    QueryBuilderEnvironment,
)
from pgqueuer.queries import Queries  # type: ignore[import-not-found]

from benchmarks.peers.driver import running
from benchmarks.peers.pgqueuer_peer import RUN, URL, WAIT

AT_ONCE = 100
BOUND = ["--max-concurrent-tasks", str(AT_ONCE)]
WORKERS = [[*RUN, *BOUND, "benchmarks.peers.pgqueuer_peer:worker"]] * 2
BOTH_ARE_AT_WORK = """
    SELECT count(DISTINCT queue_manager_id) = 2 FROM pgqueuer WHERE status = 'picked'
"""
NONE_IS_LEFT = "SELECT count(*) = 0 FROM pgqueuer"
SECONDS = """
    SELECT extract(epoch FROM max(created) FILTER (WHERE status = 'successful')
        - min(created) FILTER (WHERE status = 'picked'))
    FROM pgqueuer_log WHERE created > $1
"""


async def main(calls: int, milliseconds: int) -> float:
    """The workers have started before the calls are submitted."""
    connection = await asyncpg.connect(URL)
    if not await connection.fetchval("SELECT to_regclass('pgqueuer')"):
        await connection.execute(QueryBuilderEnvironment().build_install_query())
    queue = Queries.from_asyncpg_connection(connection)
    with running(WORKERS):
        await _submit(queue, 10 * AT_ONCE, 500)  # too many for one of them
        await _until(connection, BOTH_ARE_AT_WORK)
        await _until(connection, NONE_IS_LEFT)
        began = await connection.fetchval("SELECT clock_timestamp()")
        await _submit(queue, calls, milliseconds)
        await _until(connection, NONE_IS_LEFT)
    return float(await connection.fetchval(SECONDS, began))


async def _submit(queue: Any, calls: int, milliseconds: int) -> None:
    await queue.enqueue([WAIT] * calls, [str(milliseconds).encode()] * calls, [0] * calls)


async def _until(connection: Any, condition: str) -> None:
    while not await connection.fetchval(condition):  # noqa: ASYNC110 (only the database knows)
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    print(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
