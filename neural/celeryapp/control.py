"""``app.control`` of a :class:`neural.LedgerCelery`: revoking cancels runs of the ledger."""

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from billiard.common import TERM_SIGNAME
from celery.app.control import Control as CeleryControl
from celery.worker import state as worker_state
from celery.worker.control import control_command
from django.db import transaction
from kombu.utils.functional import maybe_list

from neural.worker.ending import heeded

if TYPE_CHECKING:
    from neural.models import TaskRun

CHUNK = 1000
"""How many runs are revoked at once."""


class Control(CeleryControl):
    """Revoking a ledger task cancels its run, whether or not a worker listens."""

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Any = None,
        terminate: bool = False,
        signal: str | int | None = TERM_SIGNAME,
        **options: Any,
    ) -> Any:
        """Cancel a run that waits; with ``terminate`` also one that is running.

        What the run has done so far in a transaction is rolled back, and what it does later is not
        kept: its worker is fenced off even if the signal does not reach it. Workers are not told to
        refuse the id, as they are for a plain task, because a person may retry the run.
        """
        each, plain = iter(set(maybe_list(task_id) or ())), list[str]()
        word = heeded(signal)
        while wanted := set(islice(each, CHUNK)):
            runs = _runs(wanted)
            if terminate:
                for run in runs:
                    self._terminate_run(run, word, destination)
            else:
                _cancel(runs)
            plain += sorted(wanted - {run.task_id for run in runs})
        if not plain:
            return None
        return super().revoke(
            plain, destination=destination, terminate=terminate, signal=word, **options
        )

    def _terminate_run(self, run: "TaskRun", signal: str, destination: Any) -> None:
        if run.revoke() and run.started_at:
            arguments = {"task_id": run.task_id, "signal": signal}
            tell = partial(
                self.broadcast, "terminate_run", arguments=arguments, destination=destination
            )
            # After the commit: the worker that hears of it would wait for this row, and end the
            # process of a run that a rollback lets go on.
            transaction.on_commit(tell, robust=transaction.get_connection().in_atomic_block)


def _cancel(runs: "Iterable[TaskRun]") -> None:
    from neural.models import RunState, TaskRun
    from neural.runs.models.run_log import log_change

    waiting = TaskRun.objects.filter(pk__in=[run.pk for run in runs], state=RunState.PENDING)
    with transaction.atomic():
        cancelled = list(waiting.order_by("pk").select_for_update(of=("self",)))
        if cancelled:
            waiting.cancel()
            transaction.on_commit(lambda: log_change("cancelled", cancelled), robust=True)


def _runs(task_ids: Iterable[str]) -> "list[TaskRun]":
    # Not at the top: `celery inspect` and `celery control` need this class, and no models.
    from neural.models import TaskRun

    return list(TaskRun.objects.filter(task_id__in=task_ids))


@control_command(args=[("task_id", str), ("signal", str)], signature="<task_id> [signal]")
def terminate_run(state: Any, task_id: str, signal: str = TERM_SIGNAME) -> dict[str, str]:
    """End the pool process that works on a run; the run has been cancelled before."""
    for request in list(worker_state.active_requests):
        if request.id == task_id:
            request.terminate(state.consumer.pool, signal=signal)
            return {"ok": f"terminated {task_id}"}
    return {"ok": f"{task_id} is not at work here"}
