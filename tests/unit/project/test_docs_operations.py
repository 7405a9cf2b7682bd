"""The guides for whoever operates it name every probe and trouble, in both languages."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.db import connection

from neural.broker.connections import REDIS_OPTIONS
from neural.health.checks import CHECKS

ROOT = Path(__file__).parents[3]
LANGUAGES = ["docs", "docs/zh"]
TROUBLES = "tests/integration/test_troubleshooting.py"
DOCTORS = [
    "tests/unit/health/test_command_doctor.py",
    "tests/unit/health/test_doctor_refusals.py",
    "tests/unit/health/test_doctor_refused_events.py",
    "tests/unit/health/test_doctor_storage.py",
    "tests/unit/forecasting/test_federated_doubtful.py",
    "tests/unit/project/test_project_elsewhere.py",
    "tests/unit/retrieval/test_search_gaps.py",
]
SQL = re.compile(r"```sql\n(.*?)```", re.S)


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text()


def guide(name: str, language: str) -> str:
    return text(f"{language}/{name}.md")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_probe_is_in_the_guide_to_troubles(language):
    named = re.findall(r"^\| `([a-z ]+)` \|", guide("how-to/troubleshooting", language), re.M)

    assert sorted(named) == CHECKS.names()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_trouble_of_the_tests_is_in_the_guide_and_no_other(language):
    troubles = set(re.findall(r"^def (test_\w+)", text(TROUBLES), re.M))
    doctors = {
        name for file in DOCTORS for name in re.findall(r"^def (test_\w+)", text(file), re.M)
    }
    named = set(re.findall(r"`(test_\w+)`", guide("how-to/troubleshooting", language)))

    assert len(troubles) > 10
    assert troubles <= named
    assert named <= troubles | doctors


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_of_the_connection_to_redis_is_in_its_guide(language):
    missing = [name for name in REDIS_OPTIONS if f"`{name}`" not in guide("how-to/redis", language)]

    assert missing == []


def statements(language: str) -> list[str]:
    (block,) = SQL.findall(guide("reference/monitoring", language))
    return [each for each in block.split(";") if each.strip()]


@pytest.mark.django_db
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sql_of_the_guide_runs(language):
    assert len(statements(language)) == 6
    with connection.cursor() as cursor:
        for statement in statements(language):
            cursor.execute(statement)
            cursor.fetchall()
