"""The Django app of search."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

import neural.retrieval.conf  # noqa: F401  (registers its settings)
from neural.kit.optional import require

require("neural.retrieval", "numpy", extra="search")


class RetrievalConfig(AppConfig):
    name = "neural.retrieval"
    label = "neural_retrieval"
    verbose_name = _("Search")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register search with the core: outbox, relay, doctor, system checks and the compaction
        schedule."""
        from neural.events.changes import register_listener
        from neural.events.insertion import register_insert_hook
        from neural.health import register_check
        from neural.health.database import register_place
        from neural.ledger.ports import when_ended
        from neural.retrieval import checks, outbox  # noqa: F401  (registers the system checks)
        from neural.retrieval.health import SEARCH, index_directory
        from neural.retrieval.index.compaction import COMPACTION_SCHEDULE
        from neural.retrieval.index.rebuilding import cancel_with_run
        from neural.retrieval.index.scheduling import schedule_indexing
        from neural.retrieval.outbox import EVENTS_OUTBOX, append_changes
        from neural.schedules import shipped
        from neural.worker.relay import register_duty

        outbox.connect()
        register_listener("search", append_changes)
        register_insert_hook("search", EVENTS_OUTBOX)
        when_ended("search indexes", cancel_with_run)
        register_duty("indexing", schedule_indexing)
        register_check(SEARCH)
        register_place("search", index_directory)
        shipped.connect(self, [COMPACTION_SCHEDULE])
