"""The schedule that comes with the app: the analysis every night."""

from neural.celeryapp.shipped_schedules import ShippedSchedule
from neural.restaurant.analysis.analysing import ANALYSIS_TASK

ANALYSIS_SCHEDULE = ShippedSchedule(
    name="neural: demand analysis",
    task=ANALYSIS_TASK,
    description=(
        "Brings the summaries of demand up to date (docs/analysis.md). Yours to change: it is "
        "made once and never overwritten."
    ),
    hour="2",
    minute="0",
    comes_with="demand_summaries",
)
