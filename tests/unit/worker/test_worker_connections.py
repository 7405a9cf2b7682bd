"""Connections that outlive a task: a server that is gone is noticed before the next one."""

import time
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection, transaction

from neural.worker.relay import drop_broken_connections
from tests.conftest import database_url

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="a file cannot hang up"),
]


@pytest.fixture
def kept():
    """A connection as the task before has left it, and young, however long other tests took."""
    connection.close()
    connection.ensure_connection()
    connection.health_check_enabled = True
    yield connection
    connection.close()


def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def hang_up(process):
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 60000)", [process])


def test_a_connection_on_which_nothing_has_come_is_not_asked(kept, monkeypatch):
    process = ask()
    monkeypatch.setattr(kept, "is_usable", lambda: pytest.fail("asked"))

    drop_broken_connections()

    assert ask() == process


def test_a_connection_that_the_server_ended_is_made_anew(kept):
    process = ask()
    hang_up(process)

    drop_broken_connections()

    assert ask() != process


def test_a_connection_that_was_closed_on_this_side_is_made_anew(kept):
    process = ask()
    kept.connection.close()

    drop_broken_connections()

    assert ask() != process


def test_a_connection_that_is_too_old_is_made_anew(kept):
    """CONN_MAX_AGE."""
    process = ask()
    kept.close_at = time.monotonic() - 1

    drop_broken_connections()

    assert ask() != process


@pytest.fixture
def made_for_requests():
    """A connection of a project that leaves CONN_MAX_AGE and CONN_HEALTH_CHECKS as Django has
    them."""
    connection.close()
    changed = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    with patch.dict(connection.settings_dict, changed):
        connection.ensure_connection()
        yield connection
    connection.close()


def test_without_a_maximum_age_a_connection_outlives_a_task(made_for_requests):
    process = ask()
    drop_broken_connections()

    assert ask() == process


def test_without_health_checks_a_connection_that_the_server_ended_is_made_anew(made_for_requests):
    process = ask()
    hang_up(process)

    drop_broken_connections()

    assert ask() != process


def test_a_connection_within_a_transaction_is_left_alone(kept):
    with transaction.atomic():
        process = ask()
        drop_broken_connections()
        assert ask() == process
