"""Beat with a clock of the test's own; plain messages are kept instead of sent."""

import datetime as dt
from zoneinfo import ZoneInfo

from celery import shared_task
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from neural.celeryapp.beat import LedgerScheduler
from neural.ledger.clock import carried
from neural.models import TaskRun
from tests.probe import tasks  # noqa: F401  (registers them)
from zhilian.celery import app

SHANGHAI = ZoneInfo("Asia/Shanghai")
START = dt.datetime(2026, 3, 2, 9, 0, 30, tzinfo=SHANGHAI)


@shared_task(name="probe.plain", ignore_result=True)
def plain():
    """A plain Celery task."""


class Clock:
    """What beat, its entries and its schedules take for the time."""

    def __init__(self) -> None:
        self.now = START

    def moves(self, **span: float) -> None:
        self.now += dt.timedelta(**span)

    def rules(self, monkeypatch) -> "Clock":
        monkeypatch.setattr(carried, "now", lambda: self.now)
        monkeypatch.setattr(carried, "ask", lambda: 0.0)
        return self


class Beat(LedgerScheduler):
    """Keeps plain messages instead of sending them."""

    def __init__(self) -> None:
        super().__init__(app=app, lazy=True)
        self._is_set_up = True  # Celery's own clean-up would be a schedule too
        self.sent: list[str] = []

    def _publish(self, entry) -> None:
        self.sent.append(entry.name)

    def looks(self) -> float:
        """Tick until nothing is due; seconds until the next look."""
        while not (pause := self.tick()):
            pass
        return pause


def schedule(name="it", *, saved_at=START, task="probe.give_back", **fields) -> PeriodicTask:
    """An interval of 60 s unless fields say otherwise, saved at START."""
    if not fields.keys() & {"crontab", "clocked"}:
        fields["interval"] = IntervalSchedule.objects.get_or_create(every=60, period="seconds")[0]
    row = PeriodicTask.objects.create(name=name, task=task, **fields)
    PeriodicTask.objects.filter(pk=row.pk).update(date_changed=saved_at)
    return row


def daily(hour: int, minute: int = 0, **fields) -> CrontabSchedule:
    return CrontabSchedule.objects.create(hour=str(hour), minute=str(minute), **fields)


def moments() -> list[str]:
    """The due moments of the recorded runs, in UTC, as their ids say."""
    ids = TaskRun.objects.order_by("pk").values_list("task_id", flat=True)
    return [task_id.split("-", 2)[2] for task_id in ids]


def killed(*args, **kwargs):
    raise SystemExit
