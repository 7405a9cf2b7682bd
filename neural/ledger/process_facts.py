"""Facts that a process states about itself in its ``WorkerProcess`` row: memory and versions."""

import platform
import resource
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTION = "zhilian-neural"
PROCESSES = Path("/proc")


def memory_bytes(pids: Collection[int]) -> int | None:
    """The memory of these processes together, in bytes; None where ``/proc`` does not tell it.

    A page that several processes share, as a pool does with the process that forked it, counts once
    (the proportional set size). A process that has ended meanwhile counts nothing.
    """
    sizes = [size for pid in pids if (size := _size(PROCESSES / str(pid))) is not None]
    return sum(sizes) if sizes else None


def _size(process: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return _proportional(process)
    with suppress(OSError, ValueError, IndexError):  # an old kernel, or the process of another user
        pages = int((process / "statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return None


def _proportional(process: Path) -> int:
    """``Pss`` of ``smaps_rollup``, which is written in kB."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    (line,) = [each for each in lines if each.startswith("Pss:")]
    return int(line.split()[1]) * 1024


@cache
def versions() -> Mapping[str, str]:
    """The versions that this process runs: of ``neural``, ``python``, ``django`` and ``celery``."""
    found = {"neural": _of_neural(), "python": platform.python_version()}
    for name in ("django", "celery"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {name: text for name, text in found.items() if text}


def _of_neural() -> str:
    """As installed, else as the checkout says; empty if neither is known."""
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTION)
    checkout = Path(__file__).parents[2] / "pyproject.toml"
    with suppress(OSError, ValueError, KeyError):
        project = tomllib.loads(checkout.read_text())["project"]
        return str(project["version"]) if project["name"] == DISTRIBUTION else ""
    return ""
