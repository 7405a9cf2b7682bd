"""The tasks of all apps, which Celery imports when it is asked to."""

import logging
from functools import cache
from logging import Logger

from celery import current_app


@cache
def load_tasks() -> None:
    """Import every app's tasks, once for each process: Celery checks all of Django's models each
    time. It also sets Django up once more, which would reset the levels of loggers: they stay."""
    known = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, Logger)]
    before = [(logger, logger.level) for logger in known]
    current_app.loader.import_default_modules()
    for logger, level in before:
        logger.setLevel(level)
