"""Connects alerts with the core: what it calls, and when."""

from django.utils.module_loading import autodiscover_modules

from neural.health.probes import register_probe
from neural.monitoring.alerts.health import alert_channels
from neural.monitoring.alerts.relaying import send_late_messages
from neural.worker.relay import register_duty


def connect_rules() -> None:
    """Register the rules, those of apps too; call it when the app is ready."""
    from neural.monitoring.alerts.rules import (  # noqa: F401  (registers them)
        disks,
        findings,
        queues,
        runs,
        schedules,
        stores,
    )

    autodiscover_modules("neural_alerts")


def connect_sending() -> None:
    """Register everything; call it when the app is ready."""
    register_duty("alert messages", send_late_messages)
    register_probe("alert channels", alert_channels)
