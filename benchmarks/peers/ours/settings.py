"""The project's settings with the benchmark's event type, and without search (no peer has it)."""

from zhilian.settings import *  # noqa: F403
from zhilian.settings import INSTALLED_APPS, NEURAL

INSTALLED_APPS = [*INSTALLED_APPS, "benchmarks.peers.ours"]
NEURAL = {**NEURAL, "search": False}
