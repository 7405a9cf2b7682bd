"""Beat schedules that come with an app.

Beat's schedules are rows that people edit in the admin. A schedule that comes with an app is
created once, when the app's tables and beat's are there. After that it belongs to the people: what
they change, switch off or delete stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.apps import AppConfig, apps
from django.utils import timezone

from neural.kit.conf import conf
from neural.schedules import BEAT, shipped_defaults


@dataclass(frozen=True, kw_only=True)
class ShippedSchedule:
    """A task at a time of each day, by the clock of new stores: night there."""

    name: str
    task: str
    description: str
    hour: str
    minute: str


def connect(app: AppConfig, schedules: Sequence[ShippedSchedule]) -> None:
    """Create schedules after a migration, in projects that have django_celery_beat."""
    for schedule in schedules:
        create = partial(make, schedule)
        shipped_defaults.connect(app, name=schedule.name, create=create, beside=BEAT)


def make(schedule: ShippedSchedule, using: str = "default") -> bool:
    """Create a schedule unless one of its name exists. Returns whether it did."""
    crontabs = apps.get_model(BEAT, "CrontabSchedule")._default_manager.using(using)
    tasks = apps.get_model(BEAT, "PeriodicTask")._default_manager.using(using)
    if tasks.filter(name=schedule.name).exists():
        return False
    at = {
        "minute": schedule.minute,
        "hour": schedule.hour,
        "timezone": conf().time_zone,
    }
    every = dict.fromkeys(("day_of_week", "day_of_month", "month_of_year"), "*")
    crontab = crontabs.filter(**at, **every).first() or crontabs.create(**at, **every)
    task = tasks.model(
        name=schedule.name, task=schedule.task, crontab=crontab, description=schedule.description
    )
    tasks.bulk_create([task])  # its `save` looks for the name in the router's database, not here
    changes = apps.get_model(BEAT, "PeriodicTasks")._default_manager.using(using)
    changes.update_or_create(ident=1, defaults={"last_update": timezone.now()})
    return True
