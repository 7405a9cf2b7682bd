"""Ends what nothing else can stop: runs beyond their hard time limit.

A coroutine that waits is given up alone. One that blocks the loop, or whose call blocks the thread
of the ORM or of other work, ends the process: its run has lost a delivery, and the others are
released uncounted, because nobody can go on without that thread.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from neural.kit.conf import conf
from neural.ledger.settle import mark_lost, release
from neural.models import TaskRun
from neural.runs.models.run_log import pairs
from neural.worker.asynchronous.runner import Runner
from neural.worker.recovery import DEFAULT_TIME_LIMIT_SECONDS
from neural.worker.relay import be_impatient

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
EXIT_CODE = 70
WHY = "it was running beyond its hard time limit"


class Watchdog(threading.Thread):
    """Looks at the runs of a runner once a second."""

    def __init__(self, runner: Runner, *, end: Callable[[int], Any] = os._exit) -> None:
        super().__init__(name="neural-watchdog", daemon=True)
        self.runner = runner
        self._end = end
        self._stopped = threading.Event()
        self._seen: Any = None
        self._looks_blocked = 0

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:
                logger.warning("event=watchdog_failed error=%r", str(error), exc_info=True)
            if self.runner.under_way():
                self.runner.drop_revoked()

    def look(self) -> None:
        """Judge the runs that are under way."""
        blocks = self._blocking_run()
        overdue = [it for it in self.runner.under_way() if it.seconds() > (it.hard_limit or 1e9)]
        loop, others = self.runner.loop, self.runner.others
        holders = [run.pk for run in (blocks, loop.orm.doing, others.doing) if run is not None]
        for it in overdue:
            if it.run.pk in holders:
                self._condemn(it.run)
                return
        if self._looks_blocked * LOOK_SECONDS > DEFAULT_TIME_LIMIT_SECONDS:
            self._condemn(None)
        elif not self._looks_blocked:
            for it in overdue:
                self.runner.give_up(it, why=WHY)

    def _blocking_run(self) -> TaskRun | None:
        """The run whose coroutine has held the loop since the last look; None if none has."""
        task, run = self.runner.loop.holder()
        seen = (self.runner.loop.ticks, task)
        before, self._seen = self._seen, seen
        if seen != before:
            self._looks_blocked = 0
            return None
        self._looks_blocked += 1
        if self._looks_blocked == 1:
            logger.warning("event=loop_blocked %s", pairs(self._facts(run)))
        return run

    def _facts(self, run: TaskRun | None) -> dict[str, str]:
        frame = sys._current_frames().get(self.runner.loop.thread.ident or 0)
        where = traceback.extract_stack(frame, limit=1)[0] if frame else None
        place = f"{where.filename}:{where.lineno} {where.name}" if where else "unknown"
        run_id, work = (run.task_id, run.work_name) if run else ("unknown", "unknown")
        return {"run": run_id, "work": work, "where": place}

    def _condemn(self, culprit: TaskRun | None) -> None:
        """End this process. If the culprit is not known, each of its runs is found to be lost."""
        logger.critical("event=worker_condemned %s", pairs(self._facts(culprit)))
        try:
            if culprit is not None:
                be_impatient()
                mark_lost([culprit], max_losses=conf().max_lost_deliveries, why=WHY)
                held = [it.run for it in self.runner.under_way() if it.run.pk != culprit.pk]
                release(held, why="its process was ended because of another run")
        finally:
            self._end(EXIT_CODE)
