"""A person is erased while a worker is at work on a run that has read the person before."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection

from neural.models import AuditEntry, AuditOutcome, RunState, TaskRun
from tests.integration.cluster import Cluster, wait_for_runs
from tests.probe import tasks
from tests.watching import wait_until

pytestmark = pytest.mark.integration

PHONE = "13987654321"
ROOT = Path(__file__).parents[2]
# On SQLite a run in one transaction is the only writer while it is at work.
TASKS = [tasks.count_in_two_steps, *([] if connection.vendor == "sqlite" else [tasks.count])]


def who(seconds: int) -> list[str]:
    said = ["--phone", PHONE, "--by", "anna", "--reason", "asked on paper", "--yes"]
    return [*said, "--wait", str(seconds)]


def arguments_are_erased() -> bool:
    return TaskRun.objects.filter(kwargs__result="call [erased]").exists()


def begun(cluster: Cluster, task: Any) -> None:
    """A run is at work that has read the phone, and will have it as its result."""
    get_user_model().objects.create_superuser("anna")
    cluster.worker()
    task.delay(key="late", gate_before="open", result=f"call {PHONE}")
    cluster.wait_for_start("late")


@pytest.mark.faults
@pytest.mark.parametrize("task", TASKS, ids=lambda it: it.name)
def test_what_a_run_writes_that_had_read_the_person_before_is_erased_as_well(
    cluster: Cluster, task: Any
) -> None:
    begun(cluster, task)

    command = subprocess.Popen(
        [sys.executable, "manage.py", "erase_person", *who(seconds=60)],
        cwd=ROOT,
        env=cluster.environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    wait_until(arguments_are_erased, 100)
    cluster.open_gate("open")
    told, _ = command.communicate(timeout=300)

    assert command.returncode == 0, told
    run = TaskRun.objects.get()
    assert (run.state, run.result) == (RunState.SUCCEEDED, "call [erased]")


@pytest.mark.faults
def test_a_run_that_does_not_end_in_time_is_told_and_erased_by_the_next_command(
    cluster: Cluster,
) -> None:
    begun(cluster, tasks.count_in_two_steps)

    with pytest.raises(CommandError, match="1 runs are still under way"):
        call_command("erase_person", *who(seconds=0))
    cluster.open_gate("open")
    wait_for_runs()
    brought_back = TaskRun.objects.get().result
    call_command("erase_person", *who(seconds=60))

    assert brought_back == f"call {PHONE}"
    assert TaskRun.objects.get().result == "call [erased]"
    ends = AuditEntry.objects.filter(details__step="finished").order_by("pk")
    assert [each.outcome for each in ends] == [AuditOutcome.FAILED, AuditOutcome.DONE]
