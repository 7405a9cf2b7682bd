"""Keys while several act at once: revoking, rotating and noting a use."""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client

from neural.api import access, keys, limits
from neural.api.limits import LocalBuckets
from neural.api.models import ApiKey
from tests.unit.api import api_world

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    local = LocalBuckets()
    monkeypatch.setattr(limits, "buckets", lambda: local)
    monkeypatch.setattr(limits, "_failures", LocalBuckets())
    access._used_at.clear()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """The results of calls in threads of their own, which start at the same time."""
    start, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place: int) -> None:
        try:
            start.wait(30)
            results[place] = calls[place]()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    return results


def test_no_request_is_let_in_after_a_revocation_has_been_answered() -> None:
    key, text = api_world.key("S1")
    revoked = threading.Event()
    let_in_after: list[int] = []

    def ask() -> int:
        served = 0
        while True:
            ended = revoked.is_set()
            status = Client().get("/api/v1/whoami", headers=api_world.bearer(text)).status_code
            if ended:
                let_in_after.append(status)
                return served
            served += status == 200

    def revoke() -> None:
        keys.revoke(ApiKey.objects.get(pk=key.pk))
        revoked.set()

    with api_world.mounted(api_world.whoami()):
        results = together(ask, ask, revoke)

    assert not [each for each in results if isinstance(each, Exception)]
    assert let_in_after == [401, 401]


def test_of_those_who_rotate_a_key_at_the_same_time_one_succeeds() -> None:
    key, _ = api_world.key("S1")

    results = together(*[lambda: keys.rotate(key, overlap=HOUR)] * 4)

    refused = [each for each in results if isinstance(each, keys.KeyNotRotated)]
    assert len(refused) == 3, results
    assert ApiKey.objects.count() == 2


def test_of_those_who_revoke_a_key_at_the_same_time_one_is_told_that_they_did() -> None:
    key, _ = api_world.key()

    assert sorted(together(*[lambda: keys.revoke(key)] * 3)) == [False, False, True]


def test_a_key_revoked_while_it_is_rotated_stays_revoked() -> None:
    key, old = api_world.key()

    together(lambda: keys.rotate(key, overlap=HOUR), lambda: keys.revoke(key))

    assert keys.find(old) is None


def test_a_locked_row_or_database_does_not_delay_a_request() -> None:
    key, text = api_world.key()
    is_locked, may_end = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            ApiKey.objects.select_for_update().get(pk=key.pk)
            ApiKey.objects.filter(pk=key.pk).update(name="x")
            is_locked.set()
            may_end.wait(60)

    def ask() -> tuple[int, bool]:
        is_locked.wait(60)
        with api_world.mounted(api_world.whoami()):
            answer = Client().get("/api/v1/whoami", headers=api_world.bearer(text))
        was_locked = not may_end.is_set()
        may_end.set()
        return answer.status_code, was_locked

    _, asked = together(lock, ask)

    assert asked == (200, True)
    key.refresh_from_db()
    assert key.last_used_at is None


def test_many_who_use_a_key_at_once_are_all_let_in(monkeypatch) -> None:
    monkeypatch.setattr(access, "PATIENCE_MS", 60_000)  # on a busy machine, too, a note is taken
    key, text = api_world.key("S1")

    def ask() -> int:
        return Client().get("/api/v1/whoami", headers=api_world.bearer(text)).status_code

    with api_world.mounted(api_world.whoami()):
        assert together(*[ask] * 8) == [200] * 8
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_threads_together_are_granted_one_burst() -> None:
    buckets = LocalBuckets()

    def take() -> int:
        taken = (buckets.take("a", cost=1, rate=1e-6, burst=500) for _ in range(500))
        return sum(each.granted for each in taken)

    assert sum(together(*[take] * 4)) == 500


on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="kills a connection")


def end_connection() -> None:
    """End this thread's connection at the server, as a restart of PostgreSQL does."""
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [backend])
    finally:
        other.close()


@on_postgresql
def test_a_connection_that_the_server_has_ended_is_replaced() -> None:
    key, text = api_world.key("S1")
    end_connection()

    assert keys.find(text) == key


@on_postgresql
def test_within_a_transaction_the_end_of_the_connection_is_an_error() -> None:
    _, text = api_world.key("S1")

    def find_in_a_transaction() -> None:
        with transaction.atomic():
            end_connection()
            keys.find(text)

    with pytest.raises(DatabaseError):
        find_in_a_transaction()


@on_postgresql
def test_a_request_does_not_ask_whether_its_connection_works(monkeypatch) -> None:
    _, text = api_world.key("S1")
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
    connection.close()
    connection.ensure_connection()
    connection.health_check_done = False  # as at the beginning of a request
    monkeypatch.setattr(connection, "is_usable", lambda: pytest.fail("a round trip too many"))

    assert keys.find(text) is not None


def test_a_database_that_stays_away_is_an_error(monkeypatch) -> None:
    _, text = api_world.key("S1")
    asked = []

    def away(prefix):
        asked.append(prefix)
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(keys, "_read", away)

    with pytest.raises(OperationalError):
        keys.find(text)
    assert len(asked) == 2
