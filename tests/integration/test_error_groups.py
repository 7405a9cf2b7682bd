"""A real worker's failures are grouped by its relay: raised, given up at once, and lost."""

import pytest

from neural.models import RunState
from neural.monitoring.errors.fingerprint import LOST
from neural.monitoring.errors.groups import dead_runs
from neural.monitoring.models import ErrorGroup
from tests.integration.cluster import wait_for_runs
from tests.integration.submitting import submit
from tests.watching import wait_until

pytestmark = pytest.mark.integration


def counts() -> dict[str, tuple[int, int]]:
    """Failed attempts and dead runs of each group, by the last word of its exception."""
    return {
        group.exception.rpartition(".")[2]: (group.attempts, len(dead_runs(group.pk, None)))
        for group in ErrorGroup.objects.all()
    }


def test_three_ways_to_fail_are_three_groups(cluster):
    cluster.worker(heartbeat_seconds=0.3, worker_lost_seconds=3, figures_seconds=0.2)
    submit("raises1", fail_times=1)
    submit("raises2", fail_times=1)
    submit("hopeless", permanent=True)
    wait_for_runs(event__event_id__startswith="raises")
    wait_for_runs(state=RunState.DEAD, event__event_id="hopeless")
    submit("killed", kill_times=1)  # alone, or it would take others with it

    wait_until(lambda: counts() == {"Failing": (2, 0), "NeverAgain": (1, 1), LOST: (1, 0)}, 120)
    frames = {group.exception: group.frame for group in ErrorGroup.objects.exclude(exception=LOST)}
    assert all("misbehave" in frame for frame in frames.values()), frames
