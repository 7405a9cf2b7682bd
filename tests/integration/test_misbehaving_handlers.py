"""Handlers that end, fork or hold up their process: with real workers, all of them at once.

What can be seen within one process is in tests/unit/worker/test_misbehaving_handlers.py.
"""

import pytest

from neural.models import RunState, TaskRun
from neural.tasks import process_neural_event
from tests.integration.cluster import expect_once, wait_for_runs
from tests.integration.submitting import names, request, submit, submit_together
from tests.probe.misbehaving import CASES, KILLERS
from tests.probe.tasks import misbehave

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

KINDS = ("probe.misbehaving", "probe.misbehaving_many")
BATCHED = sorted({*KILLERS} - {"hang_in_c"} | {"fork_that_returns", "sys_exit", "panic"})
DEADLY_ERRORS = sorted(
    name for name, case in CASES.items() if name.startswith("error_") or "exit" in name
)


def test_handlers_that_end_or_hold_up_their_process_harm_no_neighbour(cluster):
    """Each misbehaves once, among innocent ones, and is done when it comes again."""
    keys = []
    for kind in KINDS:
        for name in BATCHED:
            among = names(f"{kind}-beside-{name}-", 4)
            submit_together(among[:2], kind=kind)
            submit(f"{kind}-{name}", kind=kind, case=name)
            submit_together(among[2:], kind=kind)
            keys += [*among, f"{kind}-{name}"]
    # When they come again they shall not reach their limits, on a busy machine either.
    ask("hang", kind="probe.misbehaving", case="hang_in_c", soft_time_limit=8, time_limit=10)
    ask("hang-async", kind="probe.misbehaving_async", soft_time_limit=8, time_limit=60)

    worker = cluster.worker(concurrency=2)
    for name in DEADLY_ERRORS:
        misbehave.apply_async(args=[name], task_id=f"error-{name}")

    wait_for_runs(handler__in=handlers(), seconds=240)
    wait_for_runs(state=RunState.DEAD, task="probe.misbehave", seconds=120)
    expect_once([*keys, "hang", "hang-async"])
    assert worker.is_running
    assert "event=outcome_not_recorded" not in worker.text
    assert len(list(cluster.marks.glob("misbehaved-*"))) == len(KINDS) * len(BATCHED) + 2
    neighbours = TaskRun.objects.filter(event__event_id__contains="-beside-")
    assert set(neighbours.values_list("failures", flat=True)) == {0}
    assert set(neighbours.values_list("losses", flat=True)) <= {0, 1}
    for name in ("sys_exit", "panic"):
        assert set(runs_of(name).values_list("failures", flat=True)) == {1}
    assert runs_of("hang").get().losses == 1
    assert runs_of("hang-async").get().failures == 1


def ask(key, *, soft_time_limit, time_limit, **what):
    """An event with limits of its own, which is taken alone."""
    event = request(key, **what)
    arguments = {
        "event_id": event["event_id"],
        "event_type": event["type"],
        "event_source": event["source"],
        "store_id": event["store"],
        "data": event["payload"],
    }
    limits = {"soft_time_limit": soft_time_limit, "time_limit": time_limit}
    process_neural_event.apply_async(kwargs=arguments, **limits)


def handlers():
    return ["probe.misbehave", "probe.misbehave_many", "probe.misbehave_async"]


def runs_of(name):
    return TaskRun.objects.filter(event__event_id__in=[name, *(f"{kind}-{name}" for kind in KINDS)])
