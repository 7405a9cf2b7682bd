"""The documents name what there is, and what they show is what runs."""

import ast
import inspect
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.core.management import get_commands
from django_celery_beat.models import PeriodicTask
from loyalty.tests import (  # noqa: F401  (they run here)
    ExpirePointsTests,
    PointsEarnedTests,
    SearchTests,
)

from tests.unit.admin.admin_world import OURS
from zhilian import environment

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"),
]
FURTHER = [
    *sorted((ROOT / "docs").rglob("decisions/*.md")),
    *(ROOT / f"{name}.zh.md" for name in ("README", "SECURITY", "CHANGELOG", "deploy/README")),
]
EXAMPLE = ROOT / "docs" / "example"


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text()


@cache
def everything() -> str:
    return "\n".join(document.read_text() for document in DOCUMENTS)


def missing(names, where: str) -> list[str]:
    """The names that do not stand in a text as code."""
    return [name for name in names if f"`{name}`" not in where]


# What there is, is documented


def test_every_environment_variable_is_documented():
    addresses = {"DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}

    assert missing(sorted(environment.KNOWN | addresses), text("docs/reference/settings.md")) == []


def own_commands() -> list[str]:
    ours = ("neural", "zhilian")
    return sorted(name for name, app in get_commands().items() if app.split(".")[0] in ours)


@pytest.mark.parametrize("name", own_commands())
def test_every_command_is_documented_with_its_options_an_example_and_its_exit_codes(name):
    section = re.search(
        rf"^## {name}\n(.*?)(?=^## |\Z)", text("docs/reference/commands.md"), re.M | re.S
    )

    assert section, f"{name} has no section in docs/reference/commands.md"
    assert f"<!-- generated: usage {name} -->" in section[1]
    assert f"$ manage.py {name}" in section[1]
    assert "Exit code" in section[1]


def test_every_celery_task_of_neural_is_documented():
    current_app.loader.import_default_modules()
    tasks = [name for name in current_app.tasks if name.startswith("neural.")]

    assert tasks
    assert missing(tasks, everything()) == []


def test_every_index_is_documented_with_its_query():
    indexes: list[str] = []
    ours = (model for model in apps.get_models() if model._meta.app_label in OURS)
    for model in ours:
        indexes += [index.name for index in model._meta.indexes]
        constraints = model._meta.constraints
        indexes += [each.name for each in constraints if hasattr(each, "nulls_distinct")]

    assert missing(indexes, text("docs/explanation/ledger.md")) == []


# What is documented, is there


def links(document: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link]


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "document", DOCUMENTS + FURTHER, ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_link_leads_somewhere(document):
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_make_target_of_the_documents_exists():
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))
    named = set(re.findall(r"(?:`|^\$ |&& )make ([a-z-]+)", everything(), re.M))

    assert {"demo", "up", "test"} <= named <= targets


def test_every_command_of_the_documents_exists():
    of_others = {"shell", "migrate", "makemigrations", "collectstatic", "createsuperuser", "check"}
    of_others |= {"startapp", "runserver", "test"}
    named = set(re.findall(r"manage\.py ([a-z_]+)", everything()))

    assert named - of_others - {"commands"} == set(own_commands())


def test_every_test_that_the_faults_name_exists():
    named = set(re.findall(r"`(test_\w+)`", text("docs/explanation/faults.md")))
    document = ROOT / "docs" / "explanation" / "faults.md"
    files = [document.parent / link for link in links(document) if "tests/" in link]
    written = "\n".join(file.read_text() for file in files)

    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in written] == []


READERS = {"python": ast.parse, "json": json.loads, "toml": tomllib.loads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_code_can_be_read(document):
    for kind, block in re.findall(r"^```(\w+)\n(.*?)^```$", document.read_text(), re.M | re.S):
        READERS.get(kind, str)(block)


# The worked example


def shown_files() -> dict[str, str]:
    """The files that docs/tutorial/handlers.md shows, with what it shows of each."""
    return dict(
        re.findall(
            r"<!-- (\S+) -->\n```python\n(.*?)```\n", text("docs/tutorial/handlers.md"), re.S
        )
    )


def test_the_example_is_shown_whole():
    written = {
        str(path.relative_to(EXAMPLE))
        for path in EXAMPLE.rglob("*.py")
        if path.name != "__init__.py" and path.parent.name != "migrations"
    }

    assert set(shown_files()) == written


@pytest.mark.parametrize("name", sorted(shown_files()))
def test_what_is_shown_of_the_example_is_the_file(name):
    assert shown_files()[name] == (EXAMPLE / name).read_text()


@pytest.mark.django_db
def test_the_schedule_that_the_tutorial_makes_is_one_that_beat_takes():
    section = text("docs/tutorial/handlers.md").partition("### Every night")[2]
    block = re.search(r"^```python\n(.*?)^```", section, re.M | re.S)

    for _ in range(2):  # a second migration changes nothing
        exec(block[1], {})

    schedule = PeriodicTask.objects.get(name="loyalty: expire points")
    schedule.full_clean()
    inspect.signature(current_app.tasks[schedule.task].run).bind(*json.loads(schedule.args))
