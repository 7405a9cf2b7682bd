"""The project's settings for tests, with a state directory of this test run's own.

A developer's var/ (and a broker that `make up` runs on it) is never touched.
"""

import atexit
import os
import shutil
import sys
import tempfile

# Under `pytest -n 2` the processes are "gw0" and "gw1". Each has its own directory and Redis
# database; pytest-django gives each its own test database.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
PREFIX = f"zhilian-test-{PROCESS}-"

# A process that a test starts inherits this variable, and so uses the same directory.
if PREFIX not in os.environ.get("ZHILIAN_VAR", ""):
    os.environ["ZHILIAN_VAR"] = tempfile.mkdtemp(prefix=PREFIX)
    atexit.register(shutil.rmtree, os.environ["ZHILIAN_VAR"], ignore_errors=True)
    if PROCESS and os.environ.get("CELERY_BROKER_URL", "").startswith("redis://"):
        server, _, database = os.environ["CELERY_BROKER_URL"].rpartition("/")
        mine = int(database) + 3 * int(PROCESS.removeprefix("gw"))  # next: its cache and results
        os.environ["CELERY_BROKER_URL"] = f"{server}/{mine}"
os.environ["ZHILIAN_ENV_FILE"] = ""

import django  # noqa: E402

from zhilian.settings import *  # noqa: E402, F403

# No test cuts the power: the kernel keeps what a killed process has written.
_OPTIONS = DATABASES["default"].get("OPTIONS", {})  # noqa: F405
if "init_command" in _OPTIONS:
    _OPTIONS["init_command"] = _OPTIONS["init_command"].replace("=FULL", "=OFF")

# A fast hasher, because tests create many users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# No test reads what another one left in Redis; tests of the cache configure their own.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
# Pages are rendered without collectstatic.
STORAGES["staticfiles"]["BACKEND"] = (  # noqa: F405
    "django.contrib.staticfiles.storage.StaticFilesStorage"
)

# A web process for a browser serves style sheets and scripts.
WHITENOISE_USE_FINDERS = "PROBE_STATIC_FILES" in os.environ

# An app that counts what it does, and fails, hangs or dies when a test asks for it.
INSTALLED_APPS += ["tests.probe"]  # noqa: F405

# Django's tasks framework, or on Django 5.2 its backport, which is an app.
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

# Seconds rather than minutes for workers whose test sets the variable.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = float(os.environ.get("PROBE_SOFT_SHUTDOWN", 10))
CELERY_WORKER_PREFETCH_MULTIPLIER = int(os.environ.get("PROBE_PREFETCH", 1))
if "PROBE_WITHOUT_PATCH" in os.environ:  # shows what neural.broker.redis prevents
    from celery.signals import worker_init

    @worker_init.connect(weak=False)
    def _without_the_patch(**_: object) -> None:
        from neural.broker.redis import Surviving

        del Surviving._connparams


# The worked example of docs/tutorial/handlers.md, importable as in a project of your own.
sys.path.append(str(BASE_DIR / "docs" / "example"))  # noqa: F405
INSTALLED_APPS += ["loyalty"]

# Indexing is off unless a test turns it on: other tests count runs and statements.
NEURAL = {"search": False, **NEURAL, "embedder_options": {}}  # noqa: F405
