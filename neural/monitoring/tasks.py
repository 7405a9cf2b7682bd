"""The Celery tasks of monitoring."""
