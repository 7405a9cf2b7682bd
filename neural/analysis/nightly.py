"""The schedule that comes with the app: the analysis every night.

Beat's schedules are rows that people edit in the admin. This one is made once, when its
tables and the summaries have just been migrated; after that it is theirs: what they change,
switch off or delete stays so.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections, router
from django.db.models.signals import post_migrate

from neural.analysis.analysing import ANALYSIS_TASK

BEAT = "django_celery_beat"
SCHEDULE_NAME = "neural: demand analysis"
DESCRIPTION = (
    "Brings the summaries of demand up to date (docs/analysis.md). Yours to change: it is made "
    "once and never overwritten."
)
HOUR, MINUTE, TIME_ZONE = "2", "0", "Asia/Shanghai"


def connect(app: AppConfig) -> None:
    """Make the schedule after a migration, in projects that have django_celery_beat."""
    post_migrate.connect(_after_migration, sender=app, dispatch_uid="neural.nightly_analysis")


def _after_migration(*, using: str, plan: Sequence[Any] = (), **_: Any) -> None:
    news = any(_brings_the_schedule(migration) for migration, backwards in plan if not backwards)
    if news and apps.is_installed(BEAT) and _has_tables(using):
        make_schedule(using=using)


def _brings_the_schedule(migration: Any) -> bool:
    if migration.app_label == BEAT:
        return bool(migration.name.startswith("0001_"))
    return bool(migration.app_label == "neural" and migration.name.endswith("demand_summaries"))


def _has_tables(using: str) -> bool:
    """With `migrate neural` alone beat's tables may be missing, and come with their own plan."""
    model = apps.get_model(BEAT, "PeriodicTask")
    if not router.allow_migrate_model(using, model):
        return False
    return model._meta.db_table in connections[using].introspection.table_names()


def make_schedule(*, using: str = "default") -> bool:
    """Make the nightly schedule unless one of this name is there. Returns whether it did."""
    crontabs = apps.get_model(BEAT, "CrontabSchedule")._default_manager.using(using)
    tasks = apps.get_model(BEAT, "PeriodicTask")._default_manager.using(using)
    if tasks.filter(name=SCHEDULE_NAME).exists():
        return False
    at = {"minute": MINUTE, "hour": HOUR, "timezone": TIME_ZONE}
    every = dict.fromkeys(("day_of_week", "day_of_month", "month_of_year"), "*")
    crontab = crontabs.filter(**at, **every).first() or crontabs.create(**at, **every)
    tasks.create(name=SCHEDULE_NAME, task=ANALYSIS_TASK, crontab=crontab, description=DESCRIPTION)
    return True
