"""The peers' common settings, with the database backend."""

from benchmarks.peers.peer_settings import *  # noqa: F403
from benchmarks.peers.peer_settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}
