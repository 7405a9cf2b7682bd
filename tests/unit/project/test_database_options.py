"""What the project asks of its database, seen on the connection itself."""

from contextlib import closing

import pytest
from django.db import ConnectionHandler, connection

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
