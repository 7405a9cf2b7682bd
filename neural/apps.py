"""The Django application."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

import neural.federated.conf
import neural.vectors.conf  # noqa: F401  (both register their settings)


class NeuralConfig(AppConfig):
    name = "neural"
    label = "neural"
    verbose_name = _("Neural")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find every app's event types and handlers, and attach to Celery's workers."""
        from neural import (
            checks,  # noqa: F401  (registers the system checks)
            tasks,  # noqa: F401  (known to the relay in processes that are no workers, too)
        )
        from neural.runs import (
            broker,
            door,
            ending,
            entries,
            lifecycle,
            unknown_tasks,
        )

        broker.survive_a_lost_broker()
        entries.survive_unreadable_entries()
        unknown_tasks.keep_messages_of_unknown_tasks()
        door.connect()
        ending.connect()
        lifecycle.connect()
        _restaurant(self)
        _search(self)
        _forecasting(self)
        autodiscover_modules("neural_handlers")


def _restaurant(app: AppConfig) -> None:
    """Event types of a restaurant, and the analysis of demand."""
    from neural.analysis import tasks  # noqa: F401  (known to the relay)
    from neural.analysis.nightly import ANALYSIS_SCHEDULE
    from neural.events import builtin  # noqa: F401  (registers the built-in types)
    from neural.runs import shipped_schedules

    shipped_schedules.connect(app, [ANALYSIS_SCHEDULE])


def _search(app: AppConfig) -> None:
    from neural.runs import duties, shipped_schedules
    from neural.vectors import (
        checks,  # noqa: F401  (registers the system checks)
        tasks,  # noqa: F401  (known to the relay)
    )
    from neural.vectors.asking import ask_for_indexing
    from neural.vectors.tending import TENDING_SCHEDULE

    duties.register_duty("indexing", ask_for_indexing)
    shipped_schedules.connect(app, [TENDING_SCHEDULE])


def _forecasting(app: AppConfig) -> None:
    from neural.federated import (
        checks,  # noqa: F401  (registers the system checks)
        demand_forecast,  # noqa: F401  (registers the model type)
        shipped,
        tasks,  # noqa: F401  (known to the relay)
    )
    from neural.runs import shipped_schedules

    shipped_schedules.connect(app, [shipped.TRAINING_SCHEDULE])
    shipped.connect(app)
