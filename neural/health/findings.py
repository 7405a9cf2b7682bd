"""Findings: what a probe reports, in the language that is active when it runs."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from neural.queues.state import COUNTED


class Status(enum.StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"
    """The probe could not ask; nothing is known to be wrong."""
    WARNING = "warning"
    """Look when there is time."""
    PROBLEM = "problem"
    """Something does not work now."""


STATUS_NAMES = {
    Status.OK: gettext_lazy("ok"),
    Status.UNKNOWN: gettext_lazy("unknown"),
    Status.WARNING: gettext_lazy("warning"),
    Status.PROBLEM: gettext_lazy("problem"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A probe's finding in plain words; ``remedy`` says what to do, with the command."""

    probe: str = ""
    """The name of the check, which who asks the probe enters."""
    status: Status
    found: str
    remedy: str = ""


def ok(found: str) -> Finding:
    return Finding(status=Status.OK, found=found)


def unknown(found: str) -> Finding:
    return Finding(status=Status.UNKNOWN, found=found)


def warning(found: str, remedy: str) -> Finding:
    return Finding(status=Status.WARNING, found=found, remedy=remedy)


def problem(found: str, remedy: str) -> Finding:
    return Finding(status=Status.PROBLEM, found=found, remedy=remedy)


def listed(parts: Iterable[str]) -> str:
    """'a, b, c'."""
    return _(", ").join(parts)


def in_turn(parts: Iterable[str]) -> str:
    """'this; that': parts of a sentence, or steps."""
    return _("; ").join(part.rstrip(".。") for part in parts)


def runs_text(number: int) -> str:
    """'3 runs', '1 run', or '1,000 runs or more' where counting stopped."""
    if number >= COUNTED:
        return _("%(count)s runs or more") % {"count": f"{number:,}"}
    return ngettext("%(count)s run", "%(count)s runs", number) % {"count": f"{number:,}"}


def due_runs_text(number: int) -> str:
    """The same for due runs: '3 due runs', '1 due run', or '1,000 due runs or more'."""
    if number >= COUNTED:
        return _("%(count)s due runs or more") % {"count": f"{number:,}"}
    return ngettext("%(count)s due run", "%(count)s due runs", number) % {"count": f"{number:,}"}


def waiting_text(queue: str, runs: int, seconds: float) -> str:
    """What waits in a queue, and for how long."""
    if not runs:
        return _("%(queue)s: nothing is due") % {"queue": queue}
    return _("%(queue)s: %(runs)s, the oldest for %(span)s") % {
        "queue": queue,
        "runs": due_runs_text(runs),
        "span": span(seconds),
    }


def span(seconds: float) -> str:
    """A duration as people say it: '40 s', '12 min', '3 h', '5 days'."""
    if seconds >= 2 * 86400:
        return _("%(count).0f days") % {"count": seconds / 86400}
    if seconds >= 2 * 3600:
        return _("%(count).0f h") % {"count": seconds / 3600}
    if seconds >= 2 * 60:
        return _("%(count).0f min") % {"count": seconds / 60}
    return _("%(count).0f s") % {"count": seconds}
