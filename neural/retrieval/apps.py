"""The Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.retrieval.conf  # noqa: F401  (registers its settings)


class RetrievalConfig(AppConfig):
    name = "neural.retrieval"
    label = "neural_retrieval"
    verbose_name = _("Search")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear of what changes, look for what is marked, and ship a schedule."""
        from neural.celeryapp import shipped_schedules
        from neural.events.changes import register_listener
        from neural.events.riders import register_rider
        from neural.health.probes import register_probe
        from neural.health.storage import register_place
        from neural.retrieval import (
            checks,  # noqa: F401  (registers the system checks)
            tasks,  # noqa: F401  (known to the relay)
        )
        from neural.retrieval.health import index_directory, search_index
        from neural.retrieval.index.asking import ask_for_indexing
        from neural.retrieval.index.tending import TENDING_SCHEDULE
        from neural.retrieval.marking import MARKS_OF_EVENTS, mark
        from neural.worker.relay import register_duty

        register_listener("search", mark)
        register_rider("search", MARKS_OF_EVENTS)
        register_duty("indexing", ask_for_indexing)
        register_probe("search", search_index)
        register_place("search", index_directory)
        shipped_schedules.connect(self, [TENDING_SCHEDULE])
