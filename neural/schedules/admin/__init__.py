"""The pages of schedules; their form adds our policy to django-celery-beat's own."""

from neural.schedules.admin import schedules

__all__ = ["schedules"]
