"""The demo's progress: what the ledger says about its session, and how that is shown."""

import datetime as dt
import os
import sys
import time
from collections import Counter
from typing import TextIO

from django.db.models import Count, Max, Min, Q

from neural.forecasting.rounds.progress import RoundProgress
from neural.models import RunState, TaskRun, WorkerProcess
from neural.runs.models.run import TaskRunQuerySet
from zhilian.demo.jobs import REQUESTED_BY

# A replay that was left unfinished is finished here.
OURS = (REQUESTED_BY, "replay_bakery")
LINE_SECONDS = 5.0


class Session:
    """The runs that this session asked for, and those that an earlier one left unfinished."""

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
        """Whether any run has ended since the session began."""
        return self.runs().filter(finished_at__gte=self.began_at).exists()

    def open_by_queue(self) -> Counter[str]:
        """The number of unfinished runs by queue."""
        rows = self._open_runs().order_by().values_list("queue").annotate(Count("pk"))
        return Counter(dict(rows))

    def workers_present(self) -> int:
        """How many of this process's workers are present by their rows."""
        mine = WorkerProcess.objects.present().filter(started_at__gte=self.began_at)
        return mine.filter(name__contains=f"-{os.getpid()}@").count()

    def _open_runs(self) -> TaskRunQuerySet:
        unfinished = (RunState.PENDING, RunState.RUNNING)
        return TaskRun.objects.filter(state__in=unfinished, requested_by__in=OURS)


class DemoProgress:
    """Prints a line every few seconds: how many of ``total`` events are submitted and processed;
    then how much can be searched, and how far the round of training is."""

    def __init__(self, total: int, output: TextIO | None = None) -> None:
        self.output = output or sys.stderr
        self.total = total
        self._next_line_at = 0.0

    def show(self, *, submitted: int, processed: int, to_process: int, live: str) -> None:
        """Show the counts; ``live`` is a text about the live events.

        Fewer events are processed than submitted if an earlier run has processed some, and more if
        an earlier run left some over.
        """
        self._line(
            f"submitted {submitted:,} of {self.total:,}, "
            f"processed {processed:,} of {to_process:,}; {live}"
        )

    def show_indexing(self, *, waiting: int) -> None:
        """Show how much of what was processed cannot be searched yet."""
        self._line(f"making searchable: {waiting:,} records to go")

    def show_training(self, progress: RoundProgress) -> None:
        """Show how far the round of training is."""
        self._line(
            f"training, round {progress.round}: exchange {progress.exchange} of about "
            f"{progress.about}, {progress.taking_part} stores"
        )

    def _line(self, text: str) -> None:
        if time.monotonic() >= self._next_line_at:
            self._next_line_at = time.monotonic() + LINE_SECONDS
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.output, flush=True)
