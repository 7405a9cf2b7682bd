"""A foreign project, built only from the README's section about it, in a directory of its own.

Of this repository, only `neural` is on its path. It has its own User model, admin site, language
and app, and a second database with a router.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.watching import wait_until
from zhilian.supervision.die_with_parent import dying_with_parent

ROOT = Path(__file__).parents[2]

OWN_SETTINGS = """
ROOT_URLCONF = "chain.urls"
INSTALLED_APPS[INSTALLED_APPS.index("django.contrib.admin")] = "chain.apps.BackOfficeConfig"
INSTALLED_APPS += ["kitchen", "archive"]
AUTH_USER_MODEL = "kitchen.Employee"
DATABASES["archive"] = {**DATABASES["default"], "NAME": BASE_DIR / "archive.sqlite3"}
DATABASE_ROUTERS = ["archive.routers.ArchiveRouter"]
LANGUAGE_CODE = "de"
TIME_ZONE = "Europe/Berlin"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# An app that is installed and switched off, and what wins over a default.
NEURAL = {"search": False, "retry_base_seconds": 0.1}
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 1
"""

FILES = {
    "kitchen/__init__.py": "",
    "chain/apps.py": """
from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    default_site = "chain.site.BackOffice"
""",
    "chain/site.py": """
from django.contrib.admin import AdminSite


class BackOffice(AdminSite):
    site_header = "Back office"
""",
    "kitchen/models.py": """
import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class Employee(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    badge = models.CharField(max_length=20, unique=True)
    is_staff = models.BooleanField(default=False)
    objects = BaseUserManager()
    USERNAME_FIELD = "badge"


class Guest(models.Model):
    order = models.CharField(max_length=50)
""",
    "kitchen/neural_handlers.py": """
import neural

from kitchen.models import Guest


@neural.handles("order.created")
def welcome(event, data):
    Guest.objects.create(order=data.order_id)
""",
    "kitchen/tasks.py": """
import time

from celery import shared_task

import neural


@shared_task(base=neural.LedgerTask)
def add(x, y):
    return x + y


@shared_task(base=neural.LedgerTask)
def simmer(seconds):
    time.sleep(seconds)


@shared_task
def plain_add(x, y):
    return x + y
""",
    "archive/__init__.py": "",
    "archive/models.py": """
from django.db import models


class Receipt(models.Model):
    text = models.TextField()
""",
    "archive/routers.py": """
class ArchiveRouter:
    def db_for_write(self, model, **hints):
        return "archive" if model._meta.app_label == "archive" else None

    db_for_read = db_for_write

    def allow_migrate(self, db, app_label, **hints):
        return (db == "archive") == (app_label == "archive")
""",
}


class StrangersProject:
    """The project's files and processes, and their output."""

    def __init__(self, directory: Path, broker_url: str) -> None:
        self.directory = directory
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CELERY_", "ZHILIAN_", "NEURAL_", "DJANGO_", "DATABASE_"))
            and name not in ("REMAP_SIGTERM", "FLOWER_CONF", "PYTHONPATH")
        }
        self.environment["CELERY_BROKER_URL"] = broker_url
        self.processes: list[subprocess.Popen] = []

    def write(self) -> None:
        """Run `startproject`, then write what the README says, then the project's own parts."""
        django = [sys.executable, "-m", "django", "startproject", "chain", str(self.directory)]
        subprocess.run(django, env=self.environment, check=True)
        (self.directory / "neural").symlink_to(ROOT / "neural")
        settings, celery, package, sqlite = readme_blocks()[:4]
        with (self.directory / "chain" / "settings.py").open("a") as file:
            file.write(f"\n{settings}\n{sqlite}\n{OWN_SETTINGS}")
        (self.directory / "chain" / "celery.py").write_text(celery)
        (self.directory / "chain" / "__init__.py").write_text(package)
        for name, text in FILES.items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.lstrip())

    def ask(self, code: str) -> Any:
        """Run code in a process of the project; returns what the code assigns to `answer`."""
        program = (
            "import json, os\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'chain.settings'\n"
            f"import django\ndjango.setup()\n{code}\n"
            "print('ANSWER', json.dumps(answer))"
        )
        said = self.call([sys.executable, "-c", program])
        return json.loads(said.rpartition("ANSWER ")[2])

    def celery(self, *arguments: str) -> str:
        """Run `celery -A chain …` to its end; returns its output."""
        return self.call([sys.executable, "-m", "celery", "-A", "chain", *arguments])

    def call(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *arguments: str) -> subprocess.Popen:
        """Start a process that keeps running; its output goes to `<name>.log`."""
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                dying_with_parent([sys.executable, *arguments]),
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def wait_for_log(self, name: str, text: str, seconds: float = 180) -> None:
        wait_until(lambda: text in self.log(name), seconds)

    def destroy(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def readme_blocks() -> list[str]:
    """The Python blocks of the README's section, in order."""
    section = (ROOT / "README.md").read_text().partition("## Put it in your own Django project")[2]
    return re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.S)
