"""The project that deploys `neural`: settings, processes, embedded broker."""

from zhilian.celery import app as celery_app

__all__ = ["celery_app"]
