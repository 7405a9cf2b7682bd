"""The peers' common settings, with Procrastinate's app."""

from benchmarks.peers.peer_settings import *  # noqa: F403
from benchmarks.peers.peer_settings import INSTALLED_APPS

INSTALLED_APPS = [
    "procrastinate.contrib.django",
    *INSTALLED_APPS,
    "benchmarks.peers.procrastinate_peer",
]
