"""Redis away or frozen: people log in, stay logged in, and wait for it once."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from tests.integration.cluster import client as redis_client
from tests.integration.cluster import took
from tests.watching import wait_until
from zhilian import cache

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def redis(own_broker_server, settings, monkeypatch):
    """Cache and sessions in database 0 of a Redis of the test's own."""
    monkeypatch.setattr(cache, "_outages", {})
    monkeypatch.setattr(cache, "PAUSE_SECONDS", 1)
    url = cache.cache_url(own_broker_server.url)
    if url is None:
        pytest.skip("this run's broker is no Redis")
    settings.CACHES = {"default": cache.configuration(url)}
    return own_broker_server


@pytest.fixture
def errors(monkeypatch):
    """What Redis, or the lack of it, answered to this process."""
    met = []
    begins = cache.Outage.begins

    def begin(outage, error):
        met.append(error)
        begins(outage, error)

    monkeypatch.setattr(cache.Outage, "begins", begin)
    return met


@pytest.fixture
def person(db):
    return User.objects.create_superuser("li", password="a long pass phrase")


def log_in() -> Client:
    browser = Client()
    answer = browser.post(
        "/admin/login/?next=/admin/", {"username": "li", "password": "a long pass phrase"}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/admin/").status_code == 200


def test_sessions_are_in_database_0_and_not_where_the_messages_are(
    person, redis, settings, monkeypatch
):
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 30)
    settings.CACHES = {"default": cache.configuration(cache.cache_url(redis.url))}
    assert is_in(log_in())

    with redis_client(redis) as messages:
        assert messages.dbsize() == 0
    kept = caches["default"]._cache.get_client().keys("*sessions*")
    assert len(kept) == 1


@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_an_outage_locks_nobody_out_and_costs_one_timeout(person, redis, errors, fault):
    """One in each pause."""
    before = log_in()
    for outage in cache._outages.values():
        outage.ends()  # on a busy machine Redis may have answered too late
    errors.clear()

    getattr(redis, fault)()
    with took() as seconds:
        assert is_in(before)
        during = log_in()
        for _ in range(5):
            assert is_in(during)
    assert 1 <= len(errors) <= 1 + seconds() / cache.PAUSE_SECONDS
    assert seconds() < 30  # redis-py itself would wait for ever

    redis.thaw() if fault == "freeze" else redis.start()
    assert is_in(before)
    assert is_in(during)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_a_session_that_ended_during_an_outage_stays_ended(person, redis, fault):
    browser = log_in()
    stolen = Client()
    stolen.cookies = browser.cookies.copy()
    assert is_in(stolen)

    getattr(redis, fault)()
    browser.post("/admin/logout/")
    redis.thaw() if fault == "freeze" else redis.start()

    wait_until(lambda: caches["default"].set("probe", 1) or caches["default"].get("probe"))
    assert not is_in(stolen)
