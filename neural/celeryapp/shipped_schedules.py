"""Beat schedules that come with an app.

Beat's schedules are rows that people edit in the admin. A schedule that comes with an app is
created once, when beat's tables, or the app's tables that it needs, have just been migrated. After
that it belongs to the people: what they change, switch off or delete stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections, router
from django.db.models.signals import post_migrate, pre_migrate

from neural import made_once
from neural.adopting import brings_tables
from neural.conf import conf

BEAT = "django_celery_beat"


@dataclass(frozen=True, kw_only=True)
class ShippedSchedule:
    """A task at a time of each day, by the clock of new stores: night there."""

    name: str
    task: str
    description: str
    hour: str
    minute: str
    comes_with: str
    """How the name of the `neural` migration ends that created the tables it needs."""


def connect(app: AppConfig, schedules: Sequence[ShippedSchedule]) -> None:
    """Create schedules after a migration, in projects that have django_celery_beat."""
    for schedule in schedules:

        def before_migration(*, using: str, of: ShippedSchedule = schedule, **_: Any) -> None:
            if apps.is_installed(BEAT) and router.allow_migrate(using, app.label):
                made_once.note_if_new(of.name, app_labels=(app.label, BEAT), using=using)

        def after_migration(
            *, using: str, plan: Sequence[Any] = (), of: ShippedSchedule = schedule, **_: Any
        ) -> None:
            make_if_news(of, app_label=app.label, using=using, plan=plan)

        uid = f"neural: {schedule.name}"
        pre_migrate.connect(before_migration, sender=app, weak=False, dispatch_uid=uid)
        post_migrate.connect(after_migration, sender=app, weak=False, dispatch_uid=uid)


def make_if_news(
    schedule: ShippedSchedule, *, app_label: str, using: str, plan: Sequence[Any]
) -> None:
    """Create a schedule if this plan's migrations have just created the tables that it needs, or
    those of a plan before that was interrupted."""
    news = any(_brings(schedule, app_label, each) for each, backwards in plan if not backwards)
    if not apps.is_installed(BEAT) or not router.allow_migrate(using, app_label):
        return
    both = (app_label, BEAT)
    if not news and not made_once.is_due(schedule.name, app_labels=both, using=using):
        return
    if has_tables(using):
        with made_once.making(schedule.name, using=using):
            make(schedule, using=using)


def _brings(schedule: ShippedSchedule, app_label: str, migration: Any) -> bool:
    if migration.app_label == BEAT:
        return bool(migration.name.startswith("0001_"))
    return brings_tables(migration, app_label, schedule.comes_with)


def has_tables(using: str) -> bool:
    """Whether beat's tables exist.

    With `migrate neural` alone they may be missing, and are created by their own migration later.
    """
    model = apps.get_model(BEAT, "PeriodicTask")
    if not router.allow_migrate_model(using, model):
        return False
    return model._meta.db_table in connections[using].introspection.table_names()


def make(schedule: ShippedSchedule, *, using: str = "default") -> bool:
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
    tasks.create(
        name=schedule.name, task=schedule.task, crontab=crontab, description=schedule.description
    )
    return True
