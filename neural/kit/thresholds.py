"""From when on something is late. Probes, pages and rules of alerts ask here, and so say the same.

The usual values stand, until an app (monitoring) answers with those that people have set.
"""

from collections.abc import Callable, Mapping

Thresholds = Mapping[str, float]

USUAL: Thresholds = {
    "oldest_due_urgent_seconds": 10,
    "oldest_due_urgent_critical_seconds": 60,
    "oldest_due_seconds": 300,
    "oldest_due_critical_seconds": 600,
    "oldest_due_low_seconds": 24 * 3600,
    "oldest_due_low_critical_seconds": 48 * 3600,
    "beat_silent_seconds": 60,
    "schedule_grace_share": 0.1,
    "schedule_grace_least_seconds": 60,
    "schedule_grace_most_seconds": 3600,
}
"""The usual values, by the names that the rules of alerts have for them."""

_ask: Callable[[str], Thresholds] = lambda rule: USUAL  # noqa: E731 (replaced below)


def thresholds_of(rule: str) -> Thresholds:
    """The thresholds of a rule of alerts that are in force, by name."""
    return _ask(rule)


def connect(ask: Callable[[str], Thresholds]) -> None:
    """Have another function answer, called when the application is ready."""
    global _ask
    _ask = ask
