"""The Django application."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


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
        from neural.analysis.nightly import ANALYSIS_SCHEDULE
        from neural.djangotasks import registry
        from neural.events import builtin  # noqa: F401  (registers the built-in types)
        from neural.federated import (
            demand_forecast,  # noqa: F401  (registers the model type)
            shipped,
        )
        from neural.runs import (
            broker,
            door,
            duties,
            ending,
            entries,
            lifecycle,
            shipped_schedules,
            unknown_tasks,
        )
        from neural.vectors.asking import ask_for_indexing
        from neural.vectors.builtin import registered  # noqa: F401  (registers the collections)
        from neural.vectors.tending import TENDING_SCHEDULE

        broker.survive_a_lost_broker()
        entries.survive_unreadable_entries()
        unknown_tasks.keep_messages_of_unknown_tasks()
        door.connect()
        ending.connect()
        lifecycle.connect()
        duties.register_duty("indexing", ask_for_indexing)
        schedules = [ANALYSIS_SCHEDULE, shipped.TRAINING_SCHEDULE, TENDING_SCHEDULE]
        shipped_schedules.connect(self, schedules)
        shipped.connect(self)
        registry.connect()
        autodiscover_modules("neural_handlers")
