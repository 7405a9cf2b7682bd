"""Monitoring: figures, alerts, error groups, metrics, and the console pages that show them.

The public names of this package are for alert rules of your own: docs/reference/monitoring.md.
"""

from typing import TYPE_CHECKING, Any

from neural.kit.optional import look_up

if TYPE_CHECKING:
    from neural.monitoring.alerts.rules import (
        Condition,
        Judgement,
        Rule,
        Threshold,
        View,
        register_rule,
    )
    from neural.monitoring.models.alerts import Severity

_HOMES = {
    "Condition": "neural.monitoring.alerts.rules",
    "Judgement": "neural.monitoring.alerts.rules",
    "Rule": "neural.monitoring.alerts.rules",
    "Severity": "neural.monitoring.models.alerts",
    "Threshold": "neural.monitoring.alerts.rules",
    "View": "neural.monitoring.alerts.rules",
    "register_rule": "neural.monitoring.alerts.rules",
}

__all__ = [
    "Condition",
    "Judgement",
    "Rule",
    "Severity",
    "Threshold",
    "View",
    "register_rule",
]


def __getattr__(name: str) -> Any:
    return look_up(__name__, _HOMES, name)
