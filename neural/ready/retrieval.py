"""What search adds to the core."""

from django.apps import AppConfig

from neural.events.changes import register_listener
from neural.events.marking import MARKS_OF_EVENTS, mark
from neural.events.riders import register_rider
from neural.health.probes import register_probe
from neural.health.search import index_directory, search_index
from neural.health.storage import register_place
from neural.runs import shipped_schedules
from neural.runs.duties import register_duty
from neural.vectors import (
    checks,  # noqa: F401  (registers the system checks)
    tasks,  # noqa: F401  (known to the relay)
)
from neural.vectors.asking import ask_for_indexing
from neural.vectors.tending import TENDING_SCHEDULE


def add_to_core(app: AppConfig) -> None:
    """Marks of what changes, the duty that looks for them, a probe, and a schedule."""
    register_listener("search", mark)
    register_rider("search", MARKS_OF_EVENTS)
    register_duty("indexing", ask_for_indexing)
    register_probe("search", search_index)
    register_place("search", index_directory)
    shipped_schedules.connect(app, [TENDING_SCHEDULE])
