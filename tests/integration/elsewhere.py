"""Foreign projects, each built only from a page of the documents, in a directory of its own.

Of this repository, only `neural` is on their path. The one of docs/how-to/own-project.md has its
own User model, admin site, language and app, and a second database with a router. A tutorial is
followed to the letter by a `Walk`.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

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

    settings = "chain.settings"

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
        """Run `startproject`, then write what the guide says, then the project's own parts."""
        django = [sys.executable, "-m", "django", "startproject", "chain", str(self.directory)]
        subprocess.run(django, env=self.environment, check=True)
        self.install()
        settings, celery, package, sqlite = guide_blocks()[:4]
        with (self.directory / "chain" / "settings.py").open("a") as file:
            file.write(f"\n{settings}\n{sqlite}\n{OWN_SETTINGS}")
        (self.directory / "chain" / "celery.py").write_text(celery)
        (self.directory / "chain" / "__init__.py").write_text(package)
        for name, text in FILES.items():
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.lstrip())

    def install(self) -> None:
        """What `pip install` does for this package; the others are here."""
        (self.directory / "neural").symlink_to(ROOT / "neural")

    def ask(self, code: str) -> Any:
        """Run code in a process of the project; returns what the code assigns to `answer`."""
        program = (
            "import json, os\n"
            f"os.environ['DJANGO_SETTINGS_MODULE'] = '{self.settings}'\n"
            f"import django\ndjango.setup()\n{code}\n"
            "print('ANSWER', json.dumps(answer))"
        )
        said = self.call([sys.executable, "-c", program])
        return json.loads(said.rpartition("ANSWER ")[2])

    def celery(self, *arguments: str) -> str:
        """Run `celery -A chain …` to its end; returns its output."""
        return self.call([sys.executable, "-m", "celery", "-A", "chain", *arguments])

    def call(self, command: list[str]) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

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


class Step(NamedTuple):
    """A block of a page, its language, the paragraph before it, and the heading of its section."""

    heading: str
    said: str
    language: str
    block: str


class Walk:
    """Follows a tutorial as a person does who copies its blocks, each in its turn.

    The paragraph before a block says what is done with it, in words that a reader needs, too:

    - Create `file` and Append to `file` write it.
    - In `file`: a diff changes it.
    - In a second (third, …) terminal: its commands go on running, until `stop`.
    - Wait until: the command is given again until it prints what is shown.
    - Otherwise each command runs once. What is shown of its output must be in it, in this order;
      `…` stands for anything. A command of which nothing is shown ends with code 0.

    What makes the environment is not run, because the test brings it: see `BROUGHT`.
    """

    BROUGHT = re.compile(r"(mkdir|python3 -m venv|pip|sudo|redis-server|git)\b|.* runserver$")
    PATIENCE = 600.0

    def __init__(self, page: str, project: StrangersProject) -> None:
        self.page = ROOT / "docs" / page
        self.project = project
        self.printed: dict[str, str] = {}
        bin_directory = Path(sys.executable).parent
        project.environment["PATH"] = f"{bin_directory}{os.pathsep}{os.environ['PATH']}"
        project.install()

    def steps(self) -> Iterator[Step]:
        text = self.page.read_text()
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
            before = text[: found.start()].rstrip()
            prose = re.sub(r"^```.*?^```$", "", before, flags=re.M | re.S)
            heading = re.findall(r"^#+ (.*)$", prose, re.M)[-1]
            said = " ".join(before.rpartition("\n\n")[2].split())
            yield Step(heading, said, found[1], found[2])

    def follow(self, part: str = "") -> None:
        """Follow the page, or the section that has this in its heading."""
        for step in self.steps():
            if part not in step.heading:
                continue
            if step.language == "console":
                self._type(step)
            elif step.language == "diff":
                self._change(step)
            elif step.language != "text":
                self._write(step)

    def stop(self, what: str = "") -> None:
        """Ctrl-C in every terminal, or in those whose command has this word."""
        running = self.project.processes
        for process in [each for each in running if what in " ".join(each.args)]:
            process.terminate()
            process.wait(240)
            running.remove(process)

    def _change(self, step: Step) -> None:
        told = re.search(r"In `([^`]+)`:$", step.said)
        assert told, f"where does this go? {step.said}"
        path = self.project.directory / told[1]
        lines = [line or " " for line in step.block.splitlines()]
        before, after = (
            "\n".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+"
        )
        text = path.read_text()
        assert text.count(before) == 1, f"{told[1]} does not have:\n{before}"
        path.write_text(text.replace(before, after))

    def _write(self, step: Step) -> None:
        told = re.search(r"(Create|Append to) `([^`]+)`:$", step.said)
        assert told, f"where does this go? {step.said}"
        path = self.project.directory / told[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if told[1] == "Create" else "a") as file:
            file.write(step.block if told[1] == "Create" else f"\n{step.block}")

    def _type(self, step: Step) -> None:
        for typed in re.split(r"^\$ ", step.block, flags=re.M)[1:]:
            command, _, shown = typed.partition("\n")
            if self.BROUGHT.match(command):
                continue
            if command.startswith("export "):
                self.project.environment.update([command[7:].split("=", 1)])
            elif step.said.endswith("terminal:"):
                self.project.start(re.sub(r"\W+", "-", command), *_module(command))
            elif "Wait until" in step.said:
                self._wait(command, shown)
            else:
                assert self._answers(command, shown), f"{command}\n{self.printed[command]}"

    def _wait(self, command: str, shown: str) -> None:
        try:
            wait_until(lambda: self._answers(command, shown), self.PATIENCE)
        except AssertionError as late:
            raise AssertionError(f"{command}\n{self.printed[command]}") from late

    def _answers(self, command: str, shown: str) -> bool:
        """Whether the command prints what is shown."""
        done = self.project.run(["bash", "-c", command])
        printed = self.printed[command] = f"{done.stdout}{done.stderr}"
        if not shown.strip():
            return done.returncode == 0
        lines = [re.escape(" ".join(line.split())) for line in shown.strip().splitlines()]
        pattern = r"\n(?:.*\n)*?".join(line.replace("…", ".*") for line in lines)
        plain = "\n".join(" ".join(line.split()) for line in printed.splitlines())
        return re.search(f"^{pattern}$", plain, re.M) is not None

    def addresses(self) -> list[str]:
        """The pages of the site to which this page leads, without their host."""
        return re.findall(r"<http://127\.0\.0\.1:8000(/[^>]*)>", self.page.read_text())


def _module(command: str) -> list[str]:
    """The command's words, for Python."""
    program, *words = command.split()
    return words if program == "python" else ["-m", program, *words]


def guide_blocks() -> list[str]:
    """The Python blocks of the guide, in order."""
    guide = (ROOT / "docs" / "how-to" / "own-project.md").read_text()
    return re.findall(r"```python\n(.*?)```", guide, re.S)
