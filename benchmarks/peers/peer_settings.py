"""Django settings that all peers share, with the apps of the one that PEERS_APPS names."""

import os
from typing import Any

from psycopg.conninfo import conninfo_to_dict

SECRET_KEY = "benchmark"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPS = {
    "celery_peer": ["django_celery_results"],
    "django_ox_peer": ["django_tasks", "django_ox"],
    "django_q_peer": ["django_q"],
    "django_tasks_peer": ["django_tasks", "django_tasks_db"],
    "pgqueuer_peer": [],
    "procrastinate_peer": ["procrastinate.contrib.django"],
}
INSTALLED_APPS = [*APPS[os.environ["PEERS_APPS"]], "benchmarks.peers"]


def _database(url: str) -> dict[str, Any]:
    """Settings for a persistent connection: one for each process, not for each task or request."""
    parts = conninfo_to_dict(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    names["port"] = "PORT"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 600,
        **{names[key]: str(value) for key, value in parts.items() if key in names},
        "OPTIONS": {key: value for key, value in parts.items() if key not in names},
    }


DATABASES = {"default": _database(os.environ["DATABASE_URL"])}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}

CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
_ON_BROKER = os.environ.get("PEERS_RESULTS") == "broker"
CELERY_RESULT_BACKEND = CELERY_BROKER_URL if _ON_BROKER else "django-db"
# Absent in 'celery', 1000 in 'celery-reuse'.
CELERY_DB_REUSE_MAX = int(os.environ.get("PEERS_DB_REUSE_MAX", "0")) or None

_OX = os.environ["PEERS_APPS"] == "django_ox_peer"
_BACKEND = "django_ox.backend.OxBackend" if _OX else "django_tasks_db.DatabaseBackend"
TASKS = {"default": {"BACKEND": _BACKEND, "QUEUES": ["default"]}}

PROCRASTINATE_IMPORT_PATHS = ["benchmarks.peers.procrastinate_peer"]

Q_CLUSTER = {
    "name": "peers",
    "orm": "default",
    "workers": 2,
    "timeout": 90,
    "retry": 120,
    "queue_limit": 50,
    "bulk": 10,
    "save_limit": 0,
    "recycle": 1_000_000,
    "log_level": "WARNING",
}
