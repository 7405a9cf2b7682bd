"""The guides for whoever operates it name every probe, log line and trouble, in both languages."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.db import connection

from neural.broker.connections import REDIS_OPTIONS
from neural.health.examination import OF_DATABASE, WITHOUT_DATABASE, WRITING, of_ledger
from neural.ledger import outcome

ROOT = Path(__file__).parents[3]
LANGUAGES = ["", ".zh"]
TROUBLES = "tests/integration/test_troubleshooting.py"
DOCTORS = [
    "tests/unit/health/test_command_doctor.py",
    "tests/unit/health/test_doctor_refusals.py",
    "tests/unit/health/test_doctor_refused_events.py",
    "tests/unit/health/test_doctor_storage.py",
    "tests/unit/forecasting/test_federated_doubtful.py",
    "tests/unit/project/test_project_elsewhere.py",
    "tests/unit/retrieval/test_search_gaps.py",
    "tests/unit/retrieval/test_search_restored.py",
]
SQL = re.compile(r"```sql\n(.*?)```", re.S)


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text()


@cache
def source() -> str:
    files = [*(ROOT / "neural").rglob("*.py"), *(ROOT / "zhilian").rglob("*.py")]
    return "\n".join(file.read_text() for file in files)


def guide(name: str, language: str) -> str:
    return text(f"docs/{name}{language}.md")


def probes() -> list[str]:
    return [
        "database",
        *(name for name, _ in (*WITHOUT_DATABASE, *OF_DATABASE, *WRITING, *of_ledger())),
    ]


def log_lines() -> set[str]:
    """What is logged as `event=…`: written out, or of runs."""
    written = set(re.findall(r'"event=([a-z]+_[a-z_]+) ', source()))
    written |= set(re.findall(r'"event=([a-z]+_[a-z_]+)"', source()))
    told = re.findall(
        r'\b(?:log_change|_change|lines)\(\s*"(\w+)"|_log(?:\(|, )run, "(\w+)"', source()
    )
    changes = {first or second for first, second in told}
    changes |= {change for change, level in outcome._CHANGES.values()} | {"requeued", "failed"}
    return {name.replace("runs_", "run_") for name in written} | {f"run_{name}" for name in changes}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_probe_is_in_the_guide_to_troubles(language):
    named = re.findall(r"^\| `([a-z ]+)` \|", guide("troubleshooting", language), re.M)

    assert sorted(named) == sorted(probes())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_trouble_of_the_tests_is_in_the_guide_and_no_other(language):
    troubles = set(re.findall(r"^def (test_\w+)", text(TROUBLES), re.M))
    doctors = {
        name for file in DOCTORS for name in re.findall(r"^def (test_\w+)", text(file), re.M)
    }
    named = set(re.findall(r"`(test_\w+)`", guide("troubleshooting", language)))

    assert len(troubles) > 10
    assert troubles <= named
    assert named <= troubles | doctors


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_log_line_is_in_the_guide_to_monitoring(language):
    named = set(re.findall(r"`(\w+_\w+)`", guide("monitoring", language)))

    assert len(log_lines()) > 30
    assert log_lines() - named == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_of_the_connection_to_redis_is_in_its_guide(language):
    missing = [name for name in REDIS_OPTIONS if f"`{name}`" not in guide("redis", language)]

    assert missing == []


def statements(language: str) -> list[str]:
    (block,) = SQL.findall(guide("monitoring", language))
    return [each for each in block.split(";") if each.strip()]


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sql_of_the_guide_runs(language):
    assert len(statements(language)) == 6
    with connection.cursor() as cursor:
        for statement in statements(language):
            cursor.execute(statement)
            cursor.fetchall()


@pytest.mark.parametrize("name", ["troubleshooting", "redis", "monitoring", "flower"])
def test_both_languages_have_the_same_sections_tables_and_commands(name):
    shapes = [
        (
            re.findall(r"^(#+) ", guide(name, language), re.M),
            [line.count("|") for line in guide(name, language).splitlines() if line[:1] == "|"],
            re.findall(r"^\$ (\S+ \S+)", guide(name, language), re.M),
        )
        for language in LANGUAGES
    ]

    assert shapes[0] == shapes[1]
