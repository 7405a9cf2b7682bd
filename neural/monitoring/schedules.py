"""The schedules that come with monitoring."""

from django.apps import AppConfig

from neural.celeryapp import shipped_schedules
from neural.monitoring.retention.asking import PRUNE_SCHEDULE


def connect(app: AppConfig) -> None:
    """Create them after the migration that brings monitoring's tables."""
    shipped_schedules.connect(app, [PRUNE_SCHEDULE])
