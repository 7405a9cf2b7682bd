"""Work on the ledger's runs in a command's own process, where no workers run."""

import logging
from collections.abc import Collection, Iterator
from logging import Logger
from typing import cast

from celery import current_app

from neural.ledger.claim import Claimant, claim
from neural.ledger.execute import run_alone
from neural.ledger.outcome import Outcome
from neural.ledger.settle import hand_back
from neural.ledger.work import Clock, WorkSource
from neural.models import TaskRun


def work_here(tasks: Collection[str]) -> Iterator[Outcome]:
    """Do every run of these tasks that is due, also those that become due meanwhile, one after
    the other. Workers may be at it too: no run is done twice."""
    _import_tasks()
    while run := _next(tasks):
        task = cast(WorkSource, current_app.tasks[run.task])
        try:
            outcome = run_alone(task, run, Clock.of(run))
        except KeyboardInterrupt:
            hand_back([run], why="the command was stopped")
            raise
        yield outcome


def _import_tasks() -> None:
    """Whoever is quiet stays so: Celery's import sets Django up once more, and with it the levels
    of all loggers."""
    known = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, Logger)]
    before = [(logger, logger.level) for logger in known]
    current_app.loader.import_default_modules()
    for logger, level in before:
        logger.setLevel(level)


def _next(tasks: Collection[str]) -> TaskRun | None:
    due = TaskRun.objects.due(None).by_urgency().filter(task__in=tasks)
    while (found := due.first()) is not None:
        if runs := claim(task_id=found.task_id, claimant=Claimant(), now=None):
            return runs[0]
    return None
