"""Figures of tests: folded without waiting, and counted from the ledger by hand."""

import datetime as dt
from collections import Counter

from django.utils import timezone

from neural.models import AttemptOutcome, NeuralEvent, RunState, TaskAttempt, TaskRun
from neural.monitoring.models import FiguresBase
from neural.monitoring.rollups import folding, reading
from tests.watching import wait_until

COUNTED = ("submitted", "succeeded", "failed", "lost", "dead")
_UTC_MINUTE = {"second": 0, "microsecond": 0, "tzinfo": dt.UTC}


def fold_all() -> None:
    """Add up whatever has committed. On PostgreSQL, other transactions of the server may delay it,
    as those of another test run."""
    since = timezone.now()
    wait_until(lambda: folding.fold(as_of=timezone.now(), seconds=60) and _is_complete(since), 120)


def _is_complete(since: dt.datetime) -> bool:
    until = reading.counted_until()
    return until is not None and until >= since


def minute(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(**_UTC_MINUTE)


def hour(moment: dt.datetime) -> dt.datetime:
    return minute(moment).replace(minute=0)


def in_ledger(time=minute, by=lambda run: (run.queue, run.work_name)) -> Counter:
    """What the ledger's rows say: counts by time, the values ``by`` and what was counted."""
    found = Counter()
    for run in TaskRun.objects.all():
        found[time(run.created_at), *by(run), "submitted"] += 1
        if run.state == RunState.SUCCEEDED:
            found[time(run.finished_at), *by(run), "succeeded"] += 1
        if run.state == RunState.DEAD:
            found[time(run.attempts.last().finished_at), *by(run), "dead"] += 1
    for attempt in TaskAttempt.objects.select_related("run"):
        name = attempt.outcome
        if name in (AttemptOutcome.FAILED, AttemptOutcome.LOST):
            found[time(attempt.finished_at), *by(attempt.run), str(name)] += 1
    return found


def in_tables(model: type[FiguresBase], *keys: str) -> Counter:
    """The same from a table of figures."""
    found = Counter()
    for row in model.objects.all():
        for name in COUNTED:
            if number := getattr(row, name):
                found[*(getattr(row, key) for key in keys), name] = number
    return found


def events_in_ledger() -> Counter:
    return Counter(
        (hour(event.recorded_at), event.store_id, event.type) for event in NeuralEvent.objects.all()
    )
