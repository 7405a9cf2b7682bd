"""The project's settings with the benchmark's event type."""

from zhilian.settings import *  # noqa: F403
from zhilian.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.peers.ours"]
