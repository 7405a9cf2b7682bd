"""What people and other programs do while faults happen: none of it may lose or double anything."""

import datetime as dt

from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun
from neural.monitoring.retention import runs as pruning
from neural.queues import LOW_PRIORITY_QUEUE
from neural.queues.pausing import pause
from neural.retrieval.index.rebuilding import open_rebuild
from neural.runs.models.new_run import new_task_id
from tests.chaos.processes import Chaos
from tests.unit.runs import bulk_world

OLD_TASK, OLD_RUNS = "probe.of_last_year", 300


def retry_what_is_dead(chaos: Chaos) -> None:
    """A bulk action; what fails for good fails once more."""
    _act_on_all(chaos, "retry")


def start_now_what_waits(chaos: Chaos) -> None:
    _act_on_all(chaos, "hurry")


def _act_on_all(chaos: Chaos, verb: str) -> None:
    bulk_world.act_on_all(chaos.operator, verb, token=f"chaos {chaos.dice.random()}")


def pause_a_queue(chaos: Chaos) -> None:
    queue = chaos.dice.choice(("default", "high_priority", LOW_PRIORITY_QUEUE))
    seconds = chaos.dice.uniform(0.5, 3)
    until = database_clock() + dt.timedelta(seconds=seconds)
    pause(queue=queue, reason="chaos", by="chaos", until=until)


def prune_what_is_old(chaos: Chaos) -> None:
    """By a run of its own, and there is something to prune."""
    pruning.ask(dry_run=False, by="chaos")


def rebuild_the_index(chaos: Chaos) -> None:
    open_rebuild("events", requested_by="chaos")


def start_beat_again(chaos: Chaos) -> None:
    chaos.start_beat()


def kill_a_web_process(chaos: Chaos) -> None:
    chaos.kill_a_process_of(chaos.web.worker_ids)


def record_old_runs() -> None:
    """Runs that pruning deletes."""
    then = database_clock() - dt.timedelta(days=400)
    TaskRun.objects.bulk_create(
        TaskRun(
            task=OLD_TASK,
            task_id=new_task_id(),
            queue="default",
            state=RunState.SUCCEEDED,
            created_at=then,
            finished_at=then,
        )
        for _ in range(OLD_RUNS)
    )
