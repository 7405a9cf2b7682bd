"""What a probe says."""

import enum
from dataclasses import dataclass


class Status(enum.StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be asked; nothing is known to be wrong."""
    WARNING = "warning"
    """Look when there is time."""
    PROBLEM = "problem"
    """Something does not work now."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One probe's answer, in plain words; ``remedy`` says what to do, with the command."""

    probe: str
    status: Status
    found: str
    remedy: str = ""


def ok(probe: str, found: str) -> Finding:
    return Finding(probe=probe, status=Status.OK, found=found)


def unknown(probe: str, found: str, remedy: str = "") -> Finding:
    return Finding(probe=probe, status=Status.UNKNOWN, found=found, remedy=remedy)


def warning(probe: str, found: str, remedy: str) -> Finding:
    return Finding(probe=probe, status=Status.WARNING, found=found, remedy=remedy)


def problem(probe: str, found: str, remedy: str) -> Finding:
    return Finding(probe=probe, status=Status.PROBLEM, found=found, remedy=remedy)


def bounded(number: int, limit: int, what: str) -> str:
    """'3 runs', '1 run', or '1,000 runs or more' where counting stopped."""
    if number >= limit:
        return f"{limit:,} {what}s or more"
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def span(seconds: float) -> str:
    """A duration as people say it: '40 s', '12 min', '3 h', '5 days'."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
