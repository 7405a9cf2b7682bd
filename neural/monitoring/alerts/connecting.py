"""Connects the sending of alerts with the core: what it calls, and when."""

from neural.health.probes import register_probe
from neural.ledger.prune import register_prunable
from neural.monitoring.alerts.health import alert_channels
from neural.monitoring.alerts.pruning import OLD_MESSAGES
from neural.monitoring.alerts.relaying import send_late_messages
from neural.worker.relay import register_duty


def connect_sending() -> None:
    """Register everything; call it when the app is ready."""
    register_duty("alert messages", send_late_messages)
    register_probe("alert channels", alert_channels)
    register_prunable(OLD_MESSAGES)
