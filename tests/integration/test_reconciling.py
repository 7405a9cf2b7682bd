"""What was missed is fetched by a real worker, from a server that answers as Square's does."""

import datetime as dt
import threading

import pytest

from neural.hooks.incoming import reconciling
from neural.hooks.models import Reconciliation, ReconciliationState
from neural.models import NeuralEvent, RunState, TaskRun
from tests.integration.cluster import wait_for_runs
from tests.unit.hooks.hooks_world import map_code, source
from tests.unit.hooks.platform_servers import SquareServer, serving
from tests.unit.hooks.reconciling_world import WORLDS
from tests.watching import wait_until

pytestmark = pytest.mark.integration

SETTINGS = {
    "heartbeat_seconds": 0.3,
    "worker_lost_seconds": 3,
    "outbound_private_addresses": True,
    "hook_fetches_per_second": 1000,
}
ORDERS = 9


def test_one_that_is_killed_goes_on_where_it_was_and_every_order_is_submitted_once(cluster):
    world = WORLDS["square"]
    with serving(SquareServer()) as server:
        made = source(
            "square",
            platform="square",
            credentials={**server.credentials, "api_url": server.url},
        )
        map_code(made, world.code, "S1")
        for number in range(1, ORDERS + 1):
            world.add(server, number)
        reached, killed = threading.Event(), threading.Event()

        def before(request):
            if len(server.asked_for("search")) == 3 and not reached.is_set():
                reached.set()
                killed.wait(120)

        server.before = before
        first = cluster.worker(concurrency=1, **SETTINGS)
        row = reconciling.request(made, dt.date(2026, 3, 2), by="a test")
        assert reached.wait(120)
        first.kill()
        killed.set()
        cluster.worker(concurrency=1, **SETTINGS)

        wait_until(lambda: _state(row) == ReconciliationState.DONE, 120)
        wait_until(lambda: not TaskRun.objects.filter(state=RunState.PENDING).exists(), 120)
        wait_for_runs()

    row.refresh_from_db()
    counts = (row.found, row.here, row.submitted, row.untranslated, row.failures)
    assert counts == (ORDERS, 0, ORDERS, 0, [])
    # Two pages were saved, the third was asked for twice, and no other.
    assert len(server.asked_for("search")) == 6
    assert NeuralEvent.objects.filter(type="order.stated").count() == ORDERS
    assert TaskRun.objects.get(task=reconciling.TASK).losses == 1


def _state(row):
    return Reconciliation.objects.values_list("state", flat=True).get(pk=row.pk)
