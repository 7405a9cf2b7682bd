"""The pytest plugin that Celery's own suite is run with: Django is set up, tests have a time limit,
and with ON_LEDGER its tasks are ledger tasks of a LedgerCelery."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import celery
import django
import pytest
from celery import signals
from celery.contrib.testing import app as testing
from celery.contrib.testing import worker
from django.core.management import call_command

pytest_plugins = ["celery.contrib.pytest"]
MOST_SECONDS = 120
_ended: dict[str, str] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    if on_ledger := "ON_LEDGER" in os.environ:
        from neural import queues

        queues.DEFAULT_QUEUE = "celery"  # before others have read it: the suite has this one alone
    django.setup()
    call_command("migrate", verbosity=0)
    if on_ledger:
        _put_on_ledger()


def _put_on_ledger() -> None:
    import neural

    class Task(neural.LedgerTask):
        abstract = True
        autoretry_for = (_Never,)  # plain Celery retries what the task asks for alone

    testing.Celery = neural.LedgerCelery
    worker.test_worker_started.connect(_say_ready)
    shared_task = partial(celery.shared_task, base=Task)
    with patch.multiple(celery, shared_task=shared_task, Task=Task):
        import t.integration.tasks  # noqa: F401


def _say_ready(*, consumer: Any, **_: Any) -> None:
    """What Celery's program sends, and the worker of its suite does not."""
    signals.worker_ready.send(sender=consumer)


class _Never(Exception):
    """What no task raises."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def _too_long(*_: object) -> None:
    pytest.fail(f"it takes more than {MOST_SECONDS} s")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or not report.passed:
        _ended[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    Path(os.environ["CELERY_SUITE"], "outcomes.json").write_text(json.dumps(_ended, indent=1))
