"""PostgreSQL crashes under load: no effect without its outcome, none twice, and nothing that was
announced is missing afterwards. `CRASHES=100` crashes it a hundred times.
"""

import os
import random
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from tests.integration.postgresql import PostgreSQLServer, programs
from tests.watching import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.faults,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL alone crashes so"),
    pytest.mark.skipif(programs() is None, reason="no programs of a PostgreSQL server are here"),
]

CRASHES = int(os.environ.get("CRASHES", "3"))
RUNS = 400
OURS = "%s LIKE 'crash-%%%%'"
TASKS = ("probe.announce", "probe.announce_in_two_steps")
"""Half of the runs are of each."""
REQUEST = """
    INSERT INTO neural_taskrun (task_id, task, handler, args, kwargs, options, parent_task_id,
        queue, priority, requested_by, state, failures, losses, error)
    SELECT name, (%(tasks)s::text[])[number %% 2 + 1], '', '[]', jsonb_build_object('key', name),
        '{}', '', 'default', 5, '', 'pending', 0, 0, ''
    FROM (SELECT number, %(round)s || '-' || number AS name
          FROM generate_series(1, %(runs)s) AS number) AS named
"""


@pytest.fixture
def server(cluster):
    # Not in pytest's own directory, which each start of pytest closes to other users.
    directory = Path(tempfile.mkdtemp(prefix="neural-crash-"))
    made = PostgreSQLServer(directory / "postgresql", programs())
    made.start()
    given = connection.settings_dict
    made.copy_tables_from(
        f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}"
        f"/{given['NAME']}"
    )
    yield made
    made.crash()
    shutil.rmtree(directory)


def test_a_crash_undoes_nothing_that_was_announced_and_doubles_nothing(cluster, server):
    worker = cluster.worker(
        concurrency=2,
        relay_seconds=0.1,
        republish_seconds=1,
        republish_lease_seconds=1,
        retry_base_seconds=0,
        retry_jitter=0,
        max_retries=1000,
        environment={"DATABASE_URL": server.url},
    )
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in range(CRASHES):
        request(server, f"crash-{number}")
        wait_until(partial(more_than, server, (number - 1) * RUNS), 120)  # a bounded backlog
        time.sleep(chance.uniform(0, 0.5))
        worker.freeze()
        server.crash()
        announced = cluster.marks.joinpath("announced")
        keys = set(announced.read_text().splitlines()) if announced.exists() else set()
        server.start()
        assert keys - done(server) == set()
        worker.thaw()

    wait_until(lambda: succeeded(server) == CRASHES * RUNS, 240)

    with server.connect() as connected:
        effects = f"SELECT count(*), count(DISTINCT key) FROM probe_effect WHERE {OURS % 'key'}"
        assert connected.execute(effects).fetchone() == (CRASHES * RUNS, CRASHES * RUNS)
    assert worker.is_running
    assert "outcomes_lost" in worker.text or CRASHES < 10


def request(server, name):
    parameters = {"tasks": list(TASKS), "round": name, "runs": RUNS}
    with server.connect() as connected:
        connected.execute(REQUEST, parameters)


def more_than(server, number):
    return succeeded(server) > number


def succeeded(server):
    with server.connect() as connected:
        count = "SELECT count(*) FROM neural_taskrun WHERE state = 'succeeded' AND "
        count += OURS % "task_id"
        return connected.execute(count).fetchone()[0]


def done(server):
    """The keys of the runs that succeeded and whose effect is there."""
    with server.connect() as connected:
        rows = connected.execute("""
            SELECT key FROM probe_effect JOIN neural_taskrun ON task_id = key
            WHERE state = 'succeeded'
        """)
        return {key for (key,) in rows}
