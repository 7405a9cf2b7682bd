"""For the tests of projects that use Neural: what was submitted, what is due, a clock to move.

Nothing is published under Django's test environment (``publish_in_tests``), and nothing runs until
a test calls :func:`run_due`, unless it is :func:`inline`. All of it works with unittest and pytest,
in the test's own transaction; ``neural.pytest_plugin`` has fixtures.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from asgiref.sync import sync_to_async
from celery import current_app
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from neural.events.registry import HANDLERS
from neural.ledger import dialects, ports, work
from neural.ledger.clock import carried
from neural.ledger.outcome import Outcome
from neural.models import AttemptOutcome, NeuralEvent, TaskRun
from neural.worker import in_process

__all__ = [
    "Clock",
    "arun_due",
    "assert_due",
    "assert_submitted",
    "clock",
    "events",
    "inline",
    "record_schedules",
    "run_due",
]


class Clock:
    """The time of Django, of the ledger and of beat within :func:`clock`. It stands still between
    moves, so that a retry is due exactly when its policy says."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = _readable(now)

    def time(self) -> dt.datetime:
        """The current time."""
        return self.now

    def move(self, **span: float) -> None:
        """Move on by a span, in the words of ``timedelta``: ``clock.move(minutes=2)``."""
        self.now = _readable(self.now + dt.timedelta(**span))

    def move_to_next(self) -> None:
        """Move on to when the next run is due, such as the retry of one that has failed."""
        runs = TaskRun.objects.filter(state="pending", available_at__gt=self.now)
        run = runs.order_by("available_at").first()
        assert run is not None, "no run is due later"
        self.now = _readable(run.available_at)


def _readable(moment: dt.datetime) -> dt.datetime:
    """The next moment that is a microsecond after a whole millisecond. SQLite's own functions round
    to milliseconds, and Django writes a whole second without a fraction, which sorts before it."""
    milliseconds = (moment.microsecond + 998) // 1000
    return moment.replace(microsecond=0) + dt.timedelta(milliseconds=milliseconds, microseconds=1)


_clock: Clock | None = None


@contextmanager
def clock(now: dt.datetime | None = None) -> Iterator[Clock]:
    """Within the block, the time is ``now`` (by default the current time) until it is moved."""
    global _clock
    it = Clock(now or timezone.now())
    before = _clock
    vendor, dialect = dialects.ledger_connection().vendor, type(dialects.ledger_dialect())

    def sql(name: str) -> property:
        template: str = getattr(dialect, name)
        return property(lambda self: _at(template, self.moment(it.now)))

    def as_sql(self: Now, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        return "%s", [connection.ops.adapt_datetimefield_value(it.now)]

    frozen = type(
        dialect.__name__, (dialect,), {each: sql(each) for each in ("clock", "clock_plus")}
    )
    with ExitStack() as stack:
        for patch in (
            mock.patch.object(timezone, "now", it.time),
            mock.patch.dict(dialects.DIALECTS, {vendor: frozen()}),
            mock.patch.object(Now, f"as_{vendor}", as_sql),
            mock.patch.object(carried, "now", it.time),
            mock.patch.object(carried, "ask", return_value=0.0),
            mock.patch.object(work.Clock, "seconds", return_value=0.0),
        ):
            stack.enter_context(patch)
        _clock = it
        try:
            yield it
        finally:
            _clock = before


def _at(template: str, moment: str) -> str:
    """SQL of a dialect's clock, with a literal for the current time."""
    at_postgresql = template.replace("statement_timestamp()", f"timestamptz '{moment}'")
    return at_postgresql.replace("'now'", f"'{moment}'")


def run_due(*, queue: str | None = None) -> Sequence[Outcome]:
    """Run what is due, as :func:`neural.run_due`; when all of it is settled, raise what failed.

    What one run raised is raised itself, what several raised as an ExceptionGroup.
    """
    outcomes = in_process.run_due(now=_clock.now if _clock else None, queue=queue)
    failed = [each for each in outcomes if each.attempt_outcome == AttemptOutcome.FAILED]
    errors = [each.exception for each in failed if each.exception is not None]
    if len(errors) > 1:
        raise BaseExceptionGroup(f"{len(errors)} of {len(outcomes)} runs failed", errors)
    for error in errors:
        raise error
    return outcomes


async def arun_due(*, queue: str | None = None) -> Sequence[Outcome]:
    """:func:`run_due` for an ``async def`` test."""
    return await sync_to_async(run_due)(queue=queue)


def record_schedules(*names: str) -> None:
    """Record runs of the schedules of these names that have come due, as beat does; by default of
    all, also of those that come with Neural. Schedules of plain tasks would send messages, and are
    left alone."""
    from neural.celeryapp.beat import LedgerScheduler  # only where django-celery-beat is there

    class Beat(LedgerScheduler):
        def all_as_schedule(self) -> dict[str, Any]:
            found = super().all_as_schedule().items()
            return {
                name: it
                for name, it in found
                if self._is_on_ledger(it) and (not names or name in names)
            }

    scheduler = Beat(app=current_app, lazy=True)
    while scheduler.tick() == 0:
        pass


@contextmanager
def inline() -> Iterator[None]:
    """Within the block, work runs as soon as it is submitted, in the caller's transaction, and what
    it raises comes out of ``submit`` or ``delay``. Work for later waits for :func:`run_due`."""
    is_running = False

    def run_now(runs: Sequence[ports.AnyRun]) -> None:
        nonlocal is_running
        if runs and not is_running:  # what a handler submits is run by the loop that runs it
            is_running = True
            try:
                run_due()
            finally:
                is_running = False

    with mock.patch.object(ports, "announce", run_now):
        yield


def events(kind: str | None = None, /, *, store: str | None = None) -> QuerySet[NeuralEvent]:
    """The events that were submitted and recorded, in order: all, or those of a type and store."""
    wanted = {"type": kind, "store": store}
    given = {name: value for name, value in wanted.items() if value is not None}
    return NeuralEvent.objects.filter(**given).select_related("store").order_by("pk")


def assert_submitted(
    kind: str, /, *, store: str | None = None, payload: Mapping[str, Any] | None = None
) -> NeuralEvent:
    """Fail unless exactly one such event was submitted; returns it. ``payload`` needs to have only
    the fields that matter."""
    wanted = json.loads(json.dumps(payload or {}, cls=DjangoJSONEncoder))
    found = events(kind, store=store)
    fit = [each for each in found if wanted.items() <= (each.payload or {}).items()]
    if len(fit) != 1:
        there = "".join(f"\n  {each.type} of {each.store_id}: {each.payload}" for each in events())
        raise AssertionError(
            f"{len(fit)} events are {kind} of {store or 'any store'} with {wanted}, not one; "
            f"submitted: {there or 'nothing'}"
        )
    return fit[0]


def assert_due(work: str | Callable[..., Any], count: int | None = None) -> list[TaskRun]:
    """Fail unless runs of this handler or task are due, ``count`` of them if it is given; returns
    them. ``work`` is a handler's function, a task, or the name of either."""
    name = getattr(work, "name", work)
    if handlers := [each.name for each in HANDLERS if each.function is work]:
        wanted = Q(handler__in=handlers)
    else:
        wanted = Q(task=name) if name is not work else Q(handler=name) | Q(task=name)
    due = TaskRun.objects.due(_clock.now if _clock else None).by_urgency()
    found = list(due.filter(wanted))
    if (count is None and found) or len(found) == count:
        return found
    wanted_count = "any" if count is None else count
    there = ", ".join(sorted(each.handler or each.task for each in due)) or "none"
    raise AssertionError(
        f"{len(found)} runs of {', '.join(handlers) or name} are due, not {wanted_count}; "
        f"due are: {there}"
    )
