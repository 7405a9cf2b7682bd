"""The peers' common settings, with Celery's."""

import os

from benchmarks.peers.peer_settings import *  # noqa: F403
from benchmarks.peers.peer_settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_celery_results", "benchmarks.peers.celery_peer"]

CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
CELERY_RESULT_BACKEND = "django-db"
# Absent in 'celery', 1000 in 'celery-reuse'.
CELERY_DB_REUSE_MAX = int(os.environ.get("PEERS_DB_REUSE_MAX", "0")) or None
