"""The documents name what there is, and what they show is what runs."""

import re
from functools import cache
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.core.management import get_commands
from loyalty.tests import (  # noqa: F401  (they run here)
    ExpirePointsTests,
    PointsEarnedTests,
    SearchTests,
)

import neural
from neural.conf import owners
from neural.events.registry import handlers_of
from neural.events.types import event_types
from tests.unit.admin.admin_world import OURS
from zhilian import environment

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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


@pytest.mark.parametrize("name", sorted(owners()))
def test_every_setting_is_documented_with_its_default(name):
    default = owners()[name].model_fields[name].get_default(call_default_factory=True)
    row = re.search(
        rf"^\| `{name}` \| `?([^|`]+)`? \| [^|]+ \| \S.*\|$", text("docs/settings.md"), re.M
    )

    assert row, f"{name} has no row in docs/settings.md"
    assert row[1].strip() == _shown(default)


def _shown(default) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return (f"{default:g}" if isinstance(default, float) else str(default or "none")) or "none"


def test_every_documented_setting_exists():
    ledger = text("docs/settings.md").partition("## The project")[0]

    assert set(re.findall(r"^\| `(\w+)`", ledger, re.M)) == set(owners())


def test_every_environment_variable_is_documented():
    addresses = {"DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}

    assert missing(sorted(environment.KNOWN | addresses), text("docs/settings.md")) == []


def own_commands() -> list[str]:
    ours = ("neural", "zhilian")
    return sorted(name for name, app in get_commands().items() if app.split(".")[0] in ours)


@pytest.mark.parametrize("name", own_commands())
def test_every_command_is_documented_with_an_example_and_its_exit_codes(name):
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text("docs/commands.md"), re.M | re.S)

    assert section, f"{name} has no section in docs/commands.md"
    assert f"$ manage.py {name}" in section[1]
    assert "Exit code" in section[1]


def test_every_celery_task_of_neural_is_documented():
    current_app.loader.import_default_modules()
    tasks = [name for name in current_app.tasks if name.startswith("neural.")]

    assert tasks
    assert missing(tasks, everything()) == []


def test_every_event_type_is_documented_with_its_queue_and_priority():
    types = [kind for kind in event_types() if kind.schema.__module__.startswith("neural.")]
    rows = [line for line in text("docs/event-life.md").splitlines() if line.startswith("| `")]

    assert len(types) > 10
    for kind in types:
        (row,) = (line for line in rows if f"`{kind.name}`" in line.split("|")[1])
        assert f"| `{kind.queue}`, {kind.priority} |" in row, kind.name


def test_every_field_of_every_payload_is_documented():
    for kind in event_types():
        if kind.schema.__module__.startswith("neural."):
            absent = missing(kind.schema.model_fields, text("docs/event-life.md"))
            assert absent == [], kind.name


def test_every_built_in_handler_is_documented():
    found = {each for kind in event_types() for each in handlers_of(kind.name)}
    own = sorted(each.name for each in found if each.function.__module__.startswith("neural."))

    assert len(own) > 5
    assert missing(own, text("docs/event-life.md")) == []


def test_every_index_is_documented_with_its_query():
    indexes: list[str] = []
    ours = (model for model in apps.get_models() if model._meta.app_label in OURS)
    for model in ours:
        indexes += [index.name for index in model._meta.indexes]
        constraints = model._meta.constraints
        indexes += [each.name for each in constraints if hasattr(each, "nulls_distinct")]

    assert missing(indexes, text("docs/ledger.md")) == []


def test_every_public_name_of_neural_is_documented():
    shown = everything()

    assert [name for name in neural.__all__ if f"neural.{name}" not in shown] == []


# What is documented, is there


def links(document: Path) -> list[str]:
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if "://" not in link]


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    headings = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
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
    of_others = {"migrate", "makemigrations", "collectstatic", "createsuperuser", "check"}
    named = set(re.findall(r"manage\.py ([a-z_]+)", everything()))

    assert named - of_others - {"commands"} == set(own_commands())


def test_every_test_that_the_faults_name_exists():
    named = set(re.findall(r"`(test_\w+)`", text("docs/faults.md")))
    document = ROOT / "docs" / "faults.md"
    files = [document.parent / link for link in links(document) if "tests/" in link]
    written = "\n".join(file.read_text() for file in files)

    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in written] == []


# The worked example


def shown_files() -> dict[str, str]:
    """The files that docs/handlers.md shows, with what it shows of each."""
    return dict(
        re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```\n", text("docs/handlers.md"), re.S)
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
