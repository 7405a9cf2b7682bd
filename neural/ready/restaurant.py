"""What restaurants add to the core."""

from django.apps import AppConfig

from neural.analysis import tasks  # noqa: F401  (known to the relay)
from neural.analysis.nightly import ANALYSIS_SCHEDULE
from neural.events import builtin  # noqa: F401  (registers the event types and handlers)
from neural.runs import shipped_schedules


def add_to_core(app: AppConfig) -> None:
    """Event types with their handlers (by import), and the schedule of the analysis."""
    shipped_schedules.connect(app, [ANALYSIS_SCHEDULE])
