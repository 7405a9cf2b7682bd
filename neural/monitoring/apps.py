"""The Django app of monitoring."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.monitoring.conf  # noqa: F401  (registers its settings)
from neural.kit.optional import require

require("neural.monitoring", "cryptography", extra="monitoring")


class MonitoringConfig(AppConfig):
    name = "neural.monitoring"
    label = "neural_monitoring"
    verbose_name = _("Monitoring")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect each room with the core: what it calls, and when."""
        from neural.monitoring import (  # noqa: F401
            checks,
            errors,
            examining,
            machines,
            rollups,
            tables,
            tasks,
        )
        from neural.monitoring.alerts import connecting as alerts
        from neural.monitoring.retention.runs import PRUNE_SCHEDULE
        from neural.schedules import shipped

        rollups.connect()
        errors.connect()
        alerts.connect()
        examining.connect()
        machines.connect()
        shipped.connect(self, [PRUNE_SCHEDULE])
        tables.connect()
