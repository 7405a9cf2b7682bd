"""The Celery tasks of webhooks."""
