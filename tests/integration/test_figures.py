"""Figures stay exact when workers, and relays in them, are killed amid load."""

import os
import signal
from collections import Counter
from contextlib import suppress

import pytest

from neural.models import RunState, TaskRun
from neural.monitoring.models import Tally, TotalEvents, TotalFigures
from tests.integration.cluster import wait_for_runs
from tests.integration.submitting import names, submit, submit_together
from tests.unit.monitoring.figures import in_ledger, in_tables
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

QUICK = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3, "figures_seconds": 0.1}


def test_after_kills_amid_load_figures_equal_the_ledger(cluster):
    keys = names("load", 300)
    first = cluster.worker(concurrency=2, **QUICK)
    for start in range(0, 300, 50):
        submit_together(keys[start : start + 50])
    submit("failing", fail_times=2)
    submit("dying", kill_times=1)
    wait_until(lambda: TaskRun.objects.filter(state=RunState.SUCCEEDED).count() > 20, 120)

    first.kill()
    second = cluster.worker(concurrency=2, **QUICK)
    wait_until(lambda: TaskRun.objects.filter(state=RunState.SUCCEEDED).count() > 100, 120)
    for child in second.children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    wait_for_runs(seconds=200)
    submit("after")
    wait_for_runs(seconds=200)

    expected = Counter()
    for (_, *key), number in in_ledger(lambda moment: None).items():
        expected[tuple(key)] = number
    wait_until(lambda: in_tables(TotalFigures, "queue", "work") == expected, 120)
    assert not Tally.objects.exists()
    # Events are counted after runs, in a transaction of their own.
    wait_until(lambda: sum(TotalEvents.objects.values_list("events", flat=True)) >= 303, 120)
    assert sum(TotalEvents.objects.values_list("events", flat=True)) == 303
    lost = sum(TaskRun.objects.values_list("losses", flat=True))
    assert lost == sum(TotalFigures.objects.values_list("lost", flat=True)) > 0
