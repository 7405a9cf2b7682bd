"""Gauges: what waits and works now, which processes are there, and when each was last heard of.

Queries are served by indexes and bounded: numbers of rows are counted up to ``COUNTED``. How fast
more become open is in the counters.
"""

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Count

from neural.kit.conf import conf
from neural.ledger import dialects
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun, WorkerProcess
from neural.monitoring.conf import STALE_AFTER
from neural.monitoring.models import OPEN_STATES, Alert, ErrorGroup, Examination
from neural.monitoring.rollups import reading
from neural.queues.state import COUNTED, pending_queues, queue_states, readers_of
from neural.worker.models import ProcessKind, versions

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.core import GaugeMetricFamily

SINCE_1970 = "in seconds since 1970"
FAMILIES: Mapping[str, tuple[str, Sequence[str]]] = {
    "neural_runs_due": (
        f"Runs that are due and not started; counted up to {COUNTED:,}.",
        ["queue"],
    ),
    "neural_runs_running": ("Runs that a worker has claimed.", ["queue"]),
    "neural_queue_oldest_due_seconds": (
        "For how long the oldest of the due runs has been due; 0 without one.",
        ["queue"],
    ),
    "neural_queue_readers": ("Live workers that read it.", ["queue"]),
    "neural_queue_paused": ("1 while it is paused.", ["queue"]),
    "neural_relay_unpublished_runs": (
        f"Due runs whose message is yet to be sent; up to {COUNTED:,} a queue.",
        [],
    ),
    "neural_runs_dead": (f"Dead letters; the newest {COUNTED:,} are counted.", ["work"]),
    "neural_workers": (
        "Workers: alive; silent for some seconds; lost within the last hour.",
        ["state"],
    ),
    "neural_error_groups": ("Error groups: open, muted, resolved.", ["state"]),
    "neural_alerts": ("Alerts that are not resolved.", ["rule"]),
    "neural_broker_up": (
        (
            "Whether the broker accepted messages at the last examination; none if that is over "
            "two minutes old."
        ),
        [],
    ),
    "neural_relay_last_seen_timestamp_seconds": (
        f"When a worker or a relay was last heard of, {SINCE_1970}.",
        [],
    ),
    "neural_beat_last_seen_timestamp_seconds": (f"When beat was last heard of, {SINCE_1970}.", []),
    "neural_rollup_last_seen_timestamp_seconds": (
        f"Up to when the counters are complete, {SINCE_1970}.",
        [],
    ),
    "neural_schedule_last_success_timestamp_seconds": (
        (
            f"When a schedule's last run succeeded, {SINCE_1970}; of ledger tasks, among the "
            "task's newest 200 runs."
        ),
        ["schedule"],
    ),
    "neural_build_info": ("1, with the version of neural.", ["version"]),
}
"""What each gauge says, and its labels. The documents list them."""
LOST_FOR = dt.timedelta(hours=1)
"""How long a lost process is shown."""

Rows = Iterable[tuple[Sequence[str], float | None]]
RUNS_LOOKED_AT = 200
"""How many of the newest runs of each scheduled task are looked at."""
KEPT_SECONDS = 60
"""Schedules are looked at this often at most: each of their tasks costs a query."""


def collect() -> "Iterator[Metric]":
    """All gauges. Those that nobody can know at the moment have no sample."""
    now = database_clock()
    yield _gauge("build_info", [([versions().get("neural", "unknown")], 1)])
    yield from _of_queues(now)
    yield from _of_processes(now)
    yield _gauge("runs_dead", _dead())
    yield _gauge("error_groups", _counted(ErrorGroup, "state"))
    yield _gauge("alerts", _counted(Alert, "rule", state__in=OPEN_STATES))
    yield _gauge("broker_up", _broker(now))
    yield _timestamp("rollup", reading.counted_until())
    yield _gauge("schedule_last_success_timestamp_seconds", last_successes())


def _gauge(name: str, rows: Rows) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    text, labels = FAMILIES[f"neural_{name}"]
    family = GaugeMetricFamily(f"neural_{name}", text, labels=labels)
    for values, number in rows:
        if number is not None:
            family.add_metric(values, number)
    return family


def _timestamp(name: str, moment: dt.datetime | None) -> "GaugeMetricFamily":
    rows: Rows = [([], moment.timestamp())] if moment else []
    return _gauge(f"{name}_last_seen_timestamp_seconds", rows)


# Queues


def _of_queues(now: dt.datetime) -> "Iterator[Metric]":
    alive = WorkerProcess.objects.publishing().alive(conf().worker_lost_seconds)
    pending, readers = pending_queues(), readers_of(alive.only("name", "queues"))
    queues = queue_states(now=now, pending=pending, readers=readers).values()
    yield _gauge("runs_due", (([each.name], each.due) for each in queues))
    oldest = (([each.name], each.oldest_seconds) for each in queues)
    yield _gauge("queue_oldest_due_seconds", oldest)
    yield _gauge("runs_running", _counted(TaskRun.objects.running(), "queue"))
    yield _gauge("queue_readers", (([each.name], each.readers) for each in queues))
    yield _gauge("queue_paused", (([each.name], bool(each.pause)) for each in queues))
    unpublished = sum(_number(TaskRun.objects.unpublished(now).filter(queue=q)) for q in pending)
    yield _gauge("relay_unpublished_runs", [([], unpublished)])


def _number(rows: Any) -> int:
    number: int = rows.order_by().values("pk")[:COUNTED].aggregate(rows=Count("*"))["rows"]
    return number


# Processes


def _of_processes(now: dt.datetime) -> "Iterator[Metric]":
    workers, seconds = (
        WorkerProcess.objects.filter(kind=ProcessKind.WORKER),
        conf().worker_lost_seconds,
    )
    rows = {
        "alive": workers.alive(seconds),
        "silent": workers.silent(seconds),
        "lost": workers.filter(lost_at__gte=now - LOST_FOR),
    }
    yield _gauge("workers", (([state], found.count()) for state, found in rows.items()))
    # Each worker has a relay, too.
    yield _timestamp("relay", WorkerProcess.objects.publishing().last_heard())
    yield _timestamp("beat", WorkerProcess.objects.beats().last_heard())


# Rows by a column


def _counted(rows: Any, column: str, **filters: Any) -> Rows:
    queryset = getattr(rows, "_default_manager", rows).filter(**filters)
    found = queryset.order_by().values_list(column).annotate(rows=Count("*"))
    return [([value], number) for value, number in sorted(found)]


def _dead() -> Rows:
    """Dead letters by work, the newest COUNTED; with the labels that counters have."""
    from neural.monitoring.machines.counters import OTHER, labels_of_work

    own = labels_of_work()
    numbers: dict[str, int] = {}
    with dialects.ledger_connection().cursor() as cursor:
        cursor.execute(_DEAD, [COUNTED])
        for work, number in cursor.fetchall():
            label = work if work in own else OTHER
            numbers[label] = numbers.get(label, 0) + number
    return [([work], number) for work, number in sorted(numbers.items())]


# Django cannot group the rows of a slice.
_DEAD = """
    SELECT work, COUNT(*) FROM (
        SELECT CASE WHEN handler = '' THEN task ELSE handler END AS work
        FROM neural_taskrun WHERE state = 'dead' ORDER BY id DESC LIMIT %s
    ) AS newest GROUP BY work
"""


def _broker(now: dt.datetime) -> Rows:
    """Whether the broker answered the last examination; nothing if there was none of late."""
    examined = Examination.objects.filter(ended_at__gte=now - STALE_AFTER).first()
    broker = examined.facts.get("broker") if examined else None
    return [([], broker["up"])] if broker else []


_cached: tuple[float, list[tuple[Sequence[str], float]]] | None = None


def last_successes() -> list[tuple[Sequence[str], float]]:
    """Names of enabled schedules with the time at which their last run succeeded, in seconds since
    1970. Schedules of plain Celery tasks, whose outcomes the ledger does not know, are left out."""
    global _cached
    if not apps.is_installed("django_celery_beat"):
        return []
    if _cached is None or time.monotonic() - _cached[0] >= KEPT_SECONDS:
        _cached = (time.monotonic(), _found())
    return _cached[1]


def _found() -> list[tuple[Sequence[str], float]]:
    schedules = apps.get_model("django_celery_beat", "PeriodicTask")._default_manager
    enabled = schedules.filter(enabled=True).order_by("pk").values_list("pk", "name", "task")
    found: list[tuple[Sequence[str], float]] = []
    runs: dict[str, list[Any]] = {}
    for key, name, task in enabled:
        if task not in runs:
            runs[task] = _newest(task)
        mine = (at for task_id, at in runs[task] if task_id.startswith(f"schedule-{key}-"))
        if (last := max(mine, default=None)) is not None:
            found.append(([name], last.timestamp()))
    return found


def _newest(task: str) -> list[Any]:
    newest = TaskRun.objects.filter(task=task, event=None).order_by("-pk")
    rows = newest.values_list("task_id", "finished_at", "state")[:RUNS_LOOKED_AT]
    return [(task_id, at) for task_id, at, state in rows if state == RunState.SUCCEEDED]
