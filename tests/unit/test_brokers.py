"""What follows from the broker's address: transport options, and where the cache is."""

import pytest

from neural.broker import transports
from zhilian import brokers, cache


@pytest.mark.parametrize(
    ("broker", "expected"),
    [
        ("redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@redis:6380/1", "redis://:secret@redis:6380/0"),
        (
            "rediss://redis/1?ssl_cert_reqs=CERT_REQUIRED",
            "rediss://redis/0?ssl_cert_reqs=required",
        ),
        (
            "redis+socket:///var/run/redis%20.sock?virtual_host=1",
            "unix:///var/run/redis%20.sock?db=0",
        ),
    ],
)
def test_the_cache_is_database_0_of_the_redis_that_is_the_broker(broker, expected):
    assert brokers.cache_url(broker) == expected


@pytest.mark.parametrize(
    "broker",
    [
        "redis://127.0.0.1:6379",
        "redis://127.0.0.1:6379/0",
        "redis+socket:///var/run/redis.sock",
        "sentinel://one:26379;sentinel://two:26379",
        "amqp://guest:guest@127.0.0.1:5672//",
    ],
)
def test_there_is_no_cache_where_no_database_is_free_for_it(broker):
    """Clearing the cache empties its database, which must not be the broker's."""
    assert brokers.cache_url(broker) is None
    assert cache.configuration(None)["BACKEND"].endswith("DummyCache")


def test_each_broker_gets_the_options_that_it_knows():
    redis = transports.transport_options("redis://127.0.0.1/1", time_limit=100)
    rabbitmq = transports.transport_options("amqps://127.0.0.1//", time_limit=100)

    assert redis["visibility_timeout"] == 300
    assert rabbitmq == {"confirm_publish": True}
    assert transports.transport_options("memory://") == {}
