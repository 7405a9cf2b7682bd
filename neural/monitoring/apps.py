"""The Django app of monitoring."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.monitoring.conf  # noqa: F401  (registers its settings)


class MonitoringConfig(AppConfig):
    name = "neural.monitoring"
    label = "neural_monitoring"
    verbose_name = _("Monitoring")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect each room with the core: what it calls, and when."""
        from neural.monitoring import (  # noqa: F401
            alerts,
            checks,
            erasing,
            errors,
            machines,
            rollups,
            schedules,
            tasks,
        )
        from neural.monitoring.examining import connecting

        rollups.connect()
        errors.connect()
        alerts.connect()
        connecting.connect()
        machines.connect()
        schedules.connect(self)
        erasing.connect()
