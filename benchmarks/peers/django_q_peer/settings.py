"""The peers' common settings, with a cluster of two workers."""

from benchmarks.peers.peer_settings import *  # noqa: F403
from benchmarks.peers.peer_settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]
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
