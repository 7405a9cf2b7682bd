"""The runs of the events on a page, with links: read in one query."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neural.models import NeuralEvent, TaskRun

MOST_RUNS = 500


def runs_by_event(events: Iterable[NeuralEvent], user: Any) -> Mapping[int, Sequence[TaskRun]]:
    """The runs of these events by the events' keys; none for a user who may view no runs. The
    events are of stores that the user sees, and so are their runs."""
    found: dict[int, list[TaskRun]] = defaultdict(list)
    if not user.has_perm("neural.view_taskrun"):
        return found
    columns = ("event_id", "task", "handler", "task_id", "state")
    runs = TaskRun.objects.filter(event__in=[event.pk for event in events]).only(*columns)
    for run in runs.order_by("event", "handler")[:MOST_RUNS]:
        found[run.event_id or 0].append(run)
    return found
