"""One session of the demo: which runs are its own, and how far they are."""

import datetime as dt
import os
from collections import Counter

from django.db.models import Count, Max, Min, Q

from neural.models import RunState, TaskRun, WorkerProcess
from neural.models.run import TaskRunQuerySet
from zhilian.demo.jobs import REQUESTED_BY

# A replay that was left unfinished is finished here.
OURS = (REQUESTED_BY, "replay_bakery")


class Session:
    """Runs that this session asked for, and those that an earlier one left unfinished."""

    def __init__(self) -> None:
        self.began_at = dt.datetime.now(dt.UTC)
        self.name = f"{self.began_at:%Y%m%d-%H%M%S}"
        self.last_before = TaskRun.objects.aggregate(last=Max("pk"))["last"] or 0
        self.left_over = self._open_runs().count()
        first_open = self._open_runs().aggregate(first=Min("pk"))["first"]
        self._first = first_open or self.last_before + 1

    def runs(self) -> TaskRunQuerySet:
        """The session's runs, finished or not."""
        ours = TaskRun.objects.filter(pk__gte=self._first, requested_by__in=OURS)
        return ours.filter(
            Q(pk__gt=self.last_before) | Q(finished_at=None) | Q(finished_at__gte=self.began_at)
        )

    def has_finished_any(self) -> bool:
        """Whether any run was brought to an end since the session began."""
        return self.runs().filter(finished_at__gte=self.began_at).exists()

    def open_by_queue(self) -> Counter[str]:
        """How many of them are not finished, by queue."""
        rows = self._open_runs().order_by().values_list("queue").annotate(Count("pk"))
        return Counter(dict(rows))

    def workers_present(self) -> int:
        """How many of this process's workers have said that they live."""
        mine = WorkerProcess.objects.present().filter(started_at__gte=self.began_at)
        return mine.filter(name__contains=f"-{os.getpid()}@").count()

    def _open_runs(self) -> TaskRunQuerySet:
        unfinished = (RunState.PENDING, RunState.RUNNING)
        return TaskRun.objects.filter(state__in=unfinished, requested_by__in=OURS)
