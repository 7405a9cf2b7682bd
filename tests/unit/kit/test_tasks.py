"""The tasks of all apps are imported in one way."""

import logging
from pathlib import Path

from celery import current_app

from neural.kit.tasks import load_tasks

NEURAL = Path(__file__).parents[3] / "neural"


def test_tasks_are_imported_by_one_function_and_by_an_application_without_django():
    users = [
        str(path.relative_to(NEURAL))
        for path in sorted(NEURAL.rglob("*.py"))
        if "loader.import_default_modules()" in path.read_text()
    ]
    assert users == ["celeryapp/app.py", "kit/tasks.py"]


def test_the_levels_of_loggers_stay(monkeypatch):
    logger = logging.getLogger("neural.of_this_test")
    monkeypatch.setattr(
        current_app.loader, "import_default_modules", lambda: logger.setLevel(logging.DEBUG)
    )
    logger.setLevel(logging.ERROR)

    load_tasks.__wrapped__()

    assert logger.level == logging.ERROR
