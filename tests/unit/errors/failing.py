"""Failed attempts for tests of error groups."""

import datetime as dt
from typing import Any

from django.utils import timezone

from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.monitoring.errors.grouping import MARK, group_failures
from neural.monitoring.models import ErrorGroup, ReadMark
from tests.unit.factories import make_run, make_store
from tests.watching import wait_until

TRACEBACK = """Traceback (most recent call last):
  File "/srv/releases/20261126/neural/ledger/execute.py", line 12, in execute
    return call()
  File "/srv/releases/20261126/kitchen/{module}.py", line {line}, in {function}
    raise {kind}({message!r})
{kind}: {message}
"""


def traceback(message: str, *, kind: str = "ValueError", line: int = 7, **place: Any) -> str:
    """A traceback as the ledger keeps it."""
    place = {"module": "orders", "function": "record"} | place
    return TRACEBACK.format(message=message, kind=kind, line=line, **place)


def fail(
    message: str = "order 12 is unknown",
    *,
    run: TaskRun | None = None,
    store: str | None = "S1",
    work: str = "kitchen.record",
    state: str = RunState.DEAD,
    outcome: str = AttemptOutcome.FAILED,
    at: dt.datetime | None = None,
    began: dt.datetime | None = None,
    **traceback_of: Any,
) -> TaskAttempt:
    """An attempt that failed with this message, and its run."""
    at = at or timezone.now()
    if run is None:
        run = make_run(state, task=work, store=make_store(store) if store else None)
    kind = traceback_of.get("kind", "ValueError")
    is_lost = outcome == AttemptOutcome.LOST
    return TaskAttempt.objects.create(
        run=run,
        outcome=outcome,
        started_at=began or at,
        finished_at=at,
        error=message if is_lost else f"{kind}: {message}",
        traceback="" if is_lost else traceback(message, **traceback_of),
    )


def grouped(now: dt.datetime | None = None) -> list[ErrorGroup]:
    """All groups, after all failures have been read. On PostgreSQL, transactions of others on the
    same server may have to end first."""
    newest = TaskAttempt.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

    def all_read() -> bool:
        group_failures(now=now or timezone.now())
        return ReadMark.objects.filter(name=MARK, last_id__gte=newest).exists()

    wait_until(all_read, seconds=60)
    return list(ErrorGroup.objects.order_by("pk"))
