"""Alerts: rules, their life, and the messages that tell people of them."""


def connect() -> None:
    """Register the rules, those of apps too; called when the app is ready."""
    from django.utils.module_loading import autodiscover_modules

    from neural.ledger.prune import register_prunable
    from neural.monitoring.alerts.pruning import RESOLVED_ALERTS
    from neural.monitoring.alerts.rules import (  # noqa: F401  (registers them)
        disks,
        findings,
        queues,
        runs,
        schedules,
        stores,
    )

    autodiscover_modules("neural_alerts")
    register_prunable(RESOLVED_ALERTS)
