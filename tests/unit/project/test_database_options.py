"""What the project asks of its database, seen on the connection itself."""

from contextlib import closing
from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.db import ConnectionHandler, connection

from neural.health.system_checks import SQLITE_OPTIONS, check_postgresql, check_sqlite
from zhilian.database import configuration

pytestmark = pytest.mark.django_db


def ask(question: str, connection=connection):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def test_postgresql_ends_the_transaction_of_a_host_that_is_gone():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no hosts")

    assert ask("SHOW idle_in_transaction_session_timeout") == "45s"
    assert ask("SHOW tcp_keepalives_idle") == "20"


def test_sqlite_waits_for_its_turn_and_survives_a_power_cut(tmp_path):
    """As the project has it: tests do without the last."""
    configured = configuration(url=None, var=tmp_path, base_dir=tmp_path)

    with closing(ConnectionHandler({"default": configured})["default"]) as its_own:
        assert ask("PRAGMA journal_mode", its_own) == "wal"
        assert ask("PRAGMA synchronous", its_own) == 2
        assert ask("PRAGMA busy_timeout", its_own) == 30_000


LOWER = {
    "transaction_mode": "exclusive",
    "timeout": 12.5,
    "init_command": "pragma journal_mode=wal",
}


def given(monkeypatch, options, vendor="sqlite", **settings):
    its_own = SimpleNamespace(vendor=vendor, settings_dict={"OPTIONS": options, **settings})
    monkeypatch.setattr("neural.health.system_checks.connection", its_own)


@pytest.mark.parametrize("options", [SQLITE_OPTIONS, LOWER])
def test_a_project_whose_writers_wait_for_one_another_is_not_warned(monkeypatch, options):
    given(monkeypatch, options)

    assert check_sqlite() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transaction_mode", "DEFERRED"),
        ("transaction_mode", None),
        ("timeout", 5),
        ("timeout", None),
        ("init_command", "PRAGMA synchronous=FULL;"),
        ("init_command", None),
    ],
)
def test_a_project_is_warned_of_an_option_of_sqlite_that_lets_writers_fail(
    monkeypatch, name, value
):
    wrong = {**SQLITE_OPTIONS, name: value}
    given(monkeypatch, wrong if value is not None else {k: wrong[k] for k in wrong if k != name})

    [warning] = [each for each in run_checks(tags=["neural"]) if each.id == "neural.W023"]

    needed = f"{name!r}: {SQLITE_OPTIONS[name]!r}"
    assert warning.hint == f"Write into DATABASES['default']['OPTIONS']: {needed}."


def test_postgresql_needs_no_option_of_sqlite(monkeypatch):
    given(monkeypatch, {}, vendor="postgresql")

    assert check_sqlite() == []


POSTGRESQL = {
    "CONN_MAX_AGE": 600,
    "CONN_HEALTH_CHECKS": True,
    "options": {"options": "-c idle_in_transaction_session_timeout=45s"},
    "vendor": "postgresql",
}
"""As own-project.md has it."""


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({}, None),
        ({"CONN_MAX_AGE": None}, None),  # for ever
        ({"CONN_MAX_AGE": 0}, '"CONN_MAX_AGE": 600'),
        ({"CONN_MAX_AGE": 0, "options": {**POSTGRESQL["options"], "pool": True}}, None),
        ({"CONN_HEALTH_CHECKS": False}, '"CONN_HEALTH_CHECKS": True'),
        ({"options": {}}, "-c idle_in_transaction_session_timeout=45s"),
        ({"options": {**POSTGRESQL["options"], "isolation_level": 4}}, '"isolation_level"'),
        ({"options": {**POSTGRESQL["options"], "isolation_level": 2}}, None),
        ({"vendor": "sqlite", "options": {}}, None),
    ],
)
def test_a_project_is_warned_of_each_option_of_postgresql_that_is_missing(
    monkeypatch, changed, remedy
):
    given(monkeypatch, **POSTGRESQL | changed)

    found = check_postgresql()

    assert [each.id for each in found] == ["neural.W024"] * (remedy is not None)
    assert all(remedy in each.hint and "how-to/own-project.md" in each.hint for each in found)


class Elsewhere:
    """A router that keeps what these tests' app writes in a database of its own."""

    def db_for_write(self, model, **_):
        return "archive" if model._meta.app_label == "probe" else None


def of_other_databases():
    found = [each for each in run_checks(tags=["neural"]) if each.id == "neural.W025"]
    return {each.msg.partition(" is atomic")[0]: each for each in found}


def test_atomic_work_of_an_app_with_tables_elsewhere_is_warned_of(settings):
    assert of_other_databases() == {}
    settings.DATABASE_ROUTERS = [Elsewhere()]

    found = of_other_databases()

    assert {"the handler probe.count", "the task probe.count"} <= set(found)
    assert "the handler probe.count_in_two_steps" not in found
    assert "the handler neural.record_order" not in found
    assert "'archive'" in found["the handler probe.count"].msg
