"""Where the cache is; and while its Redis is away: misses, quickly, and nothing out of date
afterwards."""

import pytest
from django.core.cache import caches
from redis.exceptions import ConnectionError as RedisConnectionError

from zhilian import cache as module
from zhilian.cache import OutageTolerantClient, cache_url, configuration


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
    assert cache_url(broker) == expected


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
    assert cache_url(broker) is None
    assert configuration(None)["BACKEND"].endswith("DummyCache")


class FakeRedis:
    """The few commands that the tests need, and an outage at will."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.away = False
        self.asked = 0

    def __getattr__(self, name):
        return lambda *arguments, **options: self._do(name, *arguments)

    def _do(self, name, *arguments):
        self.asked += 1
        if self.away:
            raise RedisConnectionError("away")
        return getattr(self, f"_{name}")(*arguments)

    def _get(self, key):
        value = self.values.get(key)
        return None if value is None else str(value).encode()

    def _set(self, key, value):
        self.values[key] = value

    def _delete(self, *keys):
        return sum(self.values.pop(key, None) is not None for key in keys)

    def _exists(self, key):
        return key in self.values


@pytest.fixture
def redis(settings, monkeypatch):
    redis = FakeRedis()
    monkeypatch.setattr(module, "_outages", {})
    monkeypatch.setattr(OutageTolerantClient, "get_client", lambda *_, **__: redis)
    settings.CACHES = {"default": configuration("redis://127.0.0.1:1/0")}
    return redis


@pytest.fixture
def cache(redis):
    return caches["default"]


@pytest.fixture
def later(monkeypatch):
    """Let the pause pass."""
    seconds = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: seconds[0])

    def later():
        seconds[0] += module.PAUSE_SECONDS

    return later


def test_values_come_back_as_json_gives_them(cache):
    cache.set("session", {"user": "7", "shops": [1, 2]})
    cache.set("number", 5)

    assert cache.get("session") == {"user": "7", "shops": [1, 2]}
    assert cache.get("number") == 5
    assert cache.get("absent", "default") == "default"


def test_a_value_that_is_not_json_is_refused(cache):
    with pytest.raises(TypeError, match="not JSON serializable"):
        cache.set("key", object())


def test_while_redis_is_away_everything_is_a_miss(cache, redis):
    redis.away = True

    assert cache.get("key", "default") == "default"
    assert cache.get_many(["key"]) == {}
    assert "key" not in cache
    assert cache.set("key", 1) is None
    assert cache.set_many({"key": 1}) == []
    assert cache.add("key", 1) is True
    assert cache.touch("key") is False
    assert cache.delete("key") is False
    assert cache.delete_many(["key"]) is None
    assert cache.clear() is False
    with pytest.raises(ValueError, match="not found"):
        cache.incr("key")


def test_a_redis_that_is_away_is_asked_once_in_a_while_and_said_once(cache, redis, later, caplog):
    redis.away = True

    for _ in range(50):
        cache.get("key")
    assert redis.asked == 1
    later()
    for _ in range(50):
        cache.get("key")

    assert redis.asked == 2
    assert caplog.text.count("event=cache_lost") == 1


def test_a_redis_that_is_back_is_used_again(cache, redis, later, caplog):
    redis.away = True
    cache.get("key")
    redis.away = False
    later()

    cache.set("key", 1)

    assert cache.get("key") == 1
    assert caplog.text.count("event=cache_back") == 1


def test_what_could_not_be_changed_is_deleted_before_it_is_read_again(cache, redis, later):
    """A session that ended during an outage does not come to life again."""
    for key, value in (("ended", "alive"), ("changed", "old"), ("other", "kept")):
        cache.set(key, value)
    redis.away = True
    cache.delete("ended")
    cache.set("changed", "new")
    redis.away = False
    later()

    assert cache.get("other") == "kept"
    assert cache.get("ended") is None
    assert cache.get("changed") is None


def test_all_threads_know_of_an_outage(cache, redis):
    redis.away = True
    cache.get("key")

    assert caches.create_connection("default").get("key") is None
    assert redis.asked == 1
