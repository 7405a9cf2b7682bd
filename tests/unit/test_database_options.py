"""What the project asks of its database, seen on the connection itself."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def ask(question: str):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def test_postgresql_ends_the_transaction_of_a_host_that_is_gone():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no hosts")

    assert ask("SHOW idle_in_transaction_session_timeout") == "45s"
    assert ask("SHOW tcp_keepalives_idle") == "20"


def test_sqlite_waits_for_its_turn_and_survives_a_power_cut():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's own defaults do that")

    assert ask("PRAGMA journal_mode") == "wal"
    assert ask("PRAGMA synchronous") == 2
    assert ask("PRAGMA busy_timeout") == 30_000
