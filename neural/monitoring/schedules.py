"""The schedules that come with monitoring."""

from django.apps import AppConfig


def connect(app: AppConfig) -> None:
    """Create them after the migration that brings monitoring's tables."""
