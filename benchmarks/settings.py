"""The project's settings with the benchmark's own event types."""

from zhilian.settings import *  # noqa: F403
from zhilian.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.load", "benchmarks.bare"]
