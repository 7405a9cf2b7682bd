"""The project's settings on a state directory of this test run's own.

What a developer has in var/ (and a broker that `make up` runs on it) is never touched.
"""

import atexit
import os
import shutil
import sys
import tempfile

# Of `pytest -n 2` each process is "gw0" or "gw1", with a directory and a Redis database of its
# own; pytest-django gives each a test database.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
PREFIX = f"zhilian-test-{PROCESS}-"

# A process that a test starts inherits these names, and so the same directory.
if PREFIX not in os.environ.get("ZHILIAN_VAR", ""):
    os.environ["ZHILIAN_VAR"] = tempfile.mkdtemp(prefix=PREFIX)
    atexit.register(shutil.rmtree, os.environ["ZHILIAN_VAR"], ignore_errors=True)
    if PROCESS and os.environ.get("CELERY_BROKER_URL", "").startswith("redis://"):
        server, _, database = os.environ["CELERY_BROKER_URL"].rpartition("/")
        mine = int(database) + 3 * int(PROCESS.removeprefix("gw"))  # beside it cache and results
        os.environ["CELERY_BROKER_URL"] = f"{server}/{mine}"
os.environ["ZHILIAN_ENV_FILE"] = ""

import django  # noqa: E402

from zhilian.settings import *  # noqa: E402, F403

# No test cuts the power: what a killed process has written, the kernel keeps.
_OPTIONS = DATABASES["default"].get("OPTIONS", {})  # noqa: F405
if "init_command" in _OPTIONS:
    _OPTIONS["init_command"] = _OPTIONS["init_command"].replace("=FULL", "=OFF")

# Slow on purpose elsewhere; tests make many users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Nothing that one test left in Redis is read by the next; tests of the cache set their own.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
# Pages are rendered without collectstatic.
STORAGES["staticfiles"]["BACKEND"] = (  # noqa: F405
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)

# An app that counts what it does, and does what tests ask for: failing, hanging, dying.
INSTALLED_APPS += ["tests.probe"]  # noqa: F405

# Django's tasks framework: its own, or the backport (an app of its own) on Django 5.2.
REFERENCE = "django.tasks" if django.VERSION >= (6,) else "django_tasks"
INSTALLED_APPS += [] if django.VERSION >= (6,) else ["django_tasks"]
LEDGER = "neural.djangotasks.backend.LedgerBackend"
TASKS = {
    "default": {"BACKEND": LEDGER},
    "once": {"BACKEND": LEDGER, "OPTIONS": {"max_retries": 0}},
    "atomic": {
        "BACKEND": LEDGER,
        "QUEUES": ["default", "letters"],
        "OPTIONS": {
            "atomic": True,
            "max_retries": 1,
            "retry_base_seconds": 7,
            "retry_jitter": 0,
            "queues": {"letters": "low_priority"},
        },
    },
    "immediate": {"BACKEND": f"{REFERENCE}.backends.immediate.ImmediateBackend"},
    "dummy": {"BACKEND": f"{REFERENCE}.backends.dummy.DummyBackend"},
}

# Seconds rather than minutes, where a test says so for the workers that it starts.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = float(os.environ.get("PROBE_SOFT_SHUTDOWN", 10))
CELERY_WORKER_PREFETCH_MULTIPLIER = int(os.environ.get("PROBE_PREFETCH", 1))
if "PROBE_WITHOUT_PATCH" in os.environ:  # to see what the patch of neural.broker.patches is for
    from kombu.transport.redis import Channel

    Channel._connparams._neural = True

# The worked example of docs/handlers.md, at the top level as in a project of one's own.
sys.path.append(str(BASE_DIR / "docs" / "example"))  # noqa: F405
INSTALLED_APPS += ["loyalty"]

# What events change is indexed where a test asks for it: others count runs and statements.
NEURAL = {"search": False, **NEURAL}  # noqa: F405
