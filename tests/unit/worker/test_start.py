"""A process that is no worker and has no event types starts without what only these need."""

import json
import os
import subprocess
import sys

import pytest

from neural import worker

STARTED = """
import json, sys
from django.conf import settings

settings.configure(
    SECRET_KEY="of a test",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "neural"],
    CELERY_BROKER_URL="redis://127.0.0.1/1",
)
import django
import neural

app = neural.LedgerCelery("chain")
django.setup()
app.loader.import_default_modules()  # with the system checks
app.finalize()
wanted = ("pydantic", "redis", "celery.worker.request", "neural.worker.process")
print(json.dumps([name for name in wanted if name in sys.modules]))
"""


def test_neither_pydantic_nor_redis_nor_a_workers_parts_are_loaded():
    ours = ("CELERY_", "NEURAL_", "COVERAGE_")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    environment["DJANGO_SETTINGS_MODULE"] = "configured.here"
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_a_worker_whose_parts_cannot_all_be_imported_ends(monkeypatch):
    monkeypatch.setitem(sys.modules, "neural.worker.process", None)

    with pytest.raises(SystemExit):
        worker._begin("process", sender=None)
