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
  File "/srv/releases/20261126/kitchen/orders.py", line {line}, in {function}
    raise {kind}({message!r})
{kind}: {message}
"""


def traceback(message: str, *, function: str, kind: str, line: int) -> str:
    """A traceback as the ledger keeps it."""
    return TRACEBACK.format(message=message, kind=kind, line=line, function=function)


def facts_in(kind: str, function: str) -> dict[str, Any]:
    """The facts of such an exception."""
    frame = f'  File "/srv/kitchen/orders.py", line 7, in {function}\n    raise {kind}\n'
    return {"type": kind, "place": f"kitchen.orders.{function}", "frame": frame}


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
    kind: str = "ValueError",
    function: str = "",
    line: int = 7,
) -> TaskAttempt:
    """An attempt that failed with this message, and its run. Unless ``function`` says where, the
    last word of the message does: what is closed is another fault than what is unknown."""
    at = at or timezone.now()
    if run is None:
        run = make_run(state, task=work, store=make_store(store) if store else None)
    function = function or f"find_{message.rpartition(' ')[2]}"
    is_lost = outcome == AttemptOutcome.LOST
    return TaskAttempt.objects.create(
        run=run,
        outcome=outcome,
        started_at=began or at,
        finished_at=at,
        error=message if is_lost else f"{kind}: {message}",
        traceback="" if is_lost else traceback(message, function=function, kind=kind, line=line),
        exception_facts=None if is_lost else facts_in(kind, function),
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
