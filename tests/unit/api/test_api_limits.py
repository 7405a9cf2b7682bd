"""Limits of keys and of addresses: token buckets, in Redis for all processes or in each one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from redis import Redis
from redis.exceptions import RedisError

from neural.api import limits
from neural.api.access import Caller
from neural.api.limits import (
    LocalBuckets,
    RedisBuckets,
    SharedBuckets,
    Taken,
    _buckets,
)
from neural.api.problems import ApiProblem
from tests.unit.api import api_world
from zhilian.supervision.embedded import EmbeddedBroker

pytestmark = pytest.mark.slow

ADDRESS = "/api/v1/whoami"
NEVER = 1e-6  # tokens a second: none comes while a test runs


@pytest.fixture
def redis(tmp_path, monkeypatch):
    """A server of this test's own, for whose answers there is time on a busy machine, too."""
    monkeypatch.setattr(limits, "TIMEOUT_SECONDS", 30)
    with EmbeddedBroker(tmp_path) as broker:
        yield broker


@pytest.fixture
def local(monkeypatch):
    """Limits in this process's memory, empty."""
    found = LocalBuckets()
    monkeypatch.setattr(limits, "buckets", lambda: found)
    monkeypatch.setattr(limits, "_failures", LocalBuckets())
    return found


def take(buckets, cost=1, name="a", rate=1.0, burst=10.0) -> Taken:
    return buckets.take(name, cost=cost, rate=rate, burst=burst)


def take_until_redis_answers(shared, time_that) -> None:
    """A busy machine may keep Redis from answering for longer than the limit."""
    take(shared, name="another")
    while shared._used_again_at:
        time_that.passes(limits.PAUSE_SECONDS)
        take(shared, name="another")


# One process


def test_a_bucket_grants_its_burst_and_then_its_rate(time_that) -> None:
    buckets = LocalBuckets()

    assert [take(buckets, 5).granted for _ in range(3)] == [True, True, False]
    time_that.passes(4)
    assert not take(buckets, 5).granted
    time_that.passes(1)
    assert take(buckets, 5).granted


def test_a_pause_fills_a_bucket_to_its_burst_alone(time_that) -> None:
    buckets = LocalBuckets()
    take(buckets)

    time_that.passes(1000)

    assert take(buckets, 0).tokens == 10


def test_a_cost_above_the_burst_is_granted_and_owed(time_that) -> None:
    buckets = LocalBuckets()

    assert take(buckets, 25) == Taken(True, -15)
    time_that.passes(15)
    assert not take(buckets).granted
    time_that.passes(1)
    assert take(buckets).granted


def test_what_is_refused_costs_nothing(time_that) -> None:
    buckets = LocalBuckets()
    take(buckets, 9)

    assert take(buckets, 5) == Taken(False, 1)
    assert take(buckets, 1).granted


def test_the_memory_of_buckets_is_bounded_and_those_used_last_are_kept() -> None:
    buckets = LocalBuckets(size=3)

    for name in ("a", "b", "c", "a", "d"):
        take(buckets, 10, name, NEVER)

    assert len(buckets._held) == 3
    assert not take(buckets, 1, "a", NEVER).granted
    assert take(buckets, 1, "b", NEVER).granted  # forgotten, so full


# Redis


def test_redis_counts_like_a_process(redis) -> None:
    shared = _buckets(redis.url, "")

    assert isinstance(shared, SharedBuckets)
    assert take(shared, 25, rate=NEVER).granted
    assert not take(shared, 1, rate=NEVER).granted
    assert take(shared, 1, "b").granted


def test_a_bucket_in_redis_fills_at_its_rate(redis) -> None:
    client = Redis(unix_socket_path=str(redis.socket), db=1)
    shared = RedisBuckets(client, "")
    take(shared, 10, rate=NEVER)
    held = client.hgetall("a")

    client.hset("a", "at", float(held[b"at"]) - 7)  # seven seconds pass

    assert 7 <= take(shared, 0).tokens <= 10


def test_a_bucket_in_redis_has_the_deployments_prefix_and_expires(redis) -> None:
    take(_buckets(redis.url, "shop:"), 10, "key:1", rate=0.01)

    client = Redis(unix_socket_path=str(redis.socket), db=1)
    assert client.keys() == [b"shop:neural.api.limit:key:1"]
    assert 0 < client.pttl("shop:neural.api.limit:key:1") <= 1_001_000


def test_two_processes_together_are_granted_one_burst(redis) -> None:
    program = (
        "import sys, django; django.setup()\n"
        "from neural.api import limits as module\n"
        "module.TIMEOUT_SECONDS, _buckets = 30, module._buckets\n"
        "buckets = _buckets(sys.argv[1], '')\n"
        "taken = [buckets.take('a', cost=1, rate=1e-6, burst=100).granted for _ in range(100)]\n"
        "print(sum(taken))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program, redis.url],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            env=environment,
        )
        for _ in range(2)
    ]
    granted = [int(each.communicate(timeout=240)[0]) for each in both]

    assert sum(granted) == 100


def test_a_frozen_redis_is_left_alone_and_each_process_counts(
    redis, time_that, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(limits, "TIMEOUT_SECONDS", 2)
    shared = _buckets(redis.url, "frozen:")
    take_until_redis_answers(shared, time_that)
    caplog.clear()
    asked = []
    in_redis = shared._redis.take
    shared._redis.take = lambda *a, **k: asked.append(a) or in_redis(*a, **k)
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        assert [take(shared, 5, rate=NEVER).granted for _ in range(3)] == [True, True, False]
        assert len(asked) == 1
        time_that.passes(limits.PAUSE_SECONDS)
        take(shared)
        take(shared)
        assert len(asked) == 2
    finally:
        os.kill(redis.pid, signal.SIGCONT)

    time_that.passes(limits.PAUSE_SECONDS)
    take_until_redis_answers(shared, time_that)
    asked.clear()
    take(shared)
    take(shared)
    assert len(asked) == 2
    assert caplog.text.count("event=api_limits_redis_back") == 1
    assert caplog.text.count("event=api_limits_redis_lost") == 1


@pytest.mark.parametrize(
    ("broker", "address"),
    [
        ("redis://:pw@host:6380/1", "redis://:pw@host:6380/1"),
        ("rediss://h/1?ssl_cert_reqs=CERT_REQUIRED", "rediss://h/1?ssl_cert_reqs=required"),
        ("valkeys://h/3", "rediss://h/3"),
        ("redis+socket:///tmp/a%20b?virtual_host=1", "unix:///tmp/a b?db=1"),
        ("sentinel://h:26379", None),
        ("amqp://h", None),
        ("memory://", None),
        ("", None),
    ],
)
def test_the_brokers_address_is_written_for_redis(broker, address) -> None:
    assert limits._for_redis_py(broker) == address


def test_without_redis_each_process_counts() -> None:
    assert isinstance(_buckets("amqp://host", ""), LocalBuckets)
    assert limits._first(["redis://a;redis://b", "redis://c"]) == "redis://a"


def test_a_redis_that_refuses_writes_costs_no_request(monkeypatch) -> None:
    class Full:
        def register_script(self, text):
            def refuse(**_):
                raise RedisError("OOM command not allowed")

            return refuse

    shared = SharedBuckets(RedisBuckets(Full(), ""), LocalBuckets())

    assert take(shared).granted


# Requests


def ask(text: str):
    return Client().get(ADDRESS, headers=api_world.bearer(text))


@pytest.mark.django_db
def test_every_answer_says_where_the_key_stands(local, settings, time_that) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_per_second": 2, "api_rate_burst": 3}
    _, text = api_world.key()
    _, other = api_world.key(scopes=["search"])
    with api_world.mounted(api_world.whoami()):
        answers = [ask(text) for _ in range(4)]
        refused = ask(other)
        time_that.passes(0.5)
        later = ask(text)

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert {each["RateLimit-Policy"] for each in answers} == {'"key";q=3;w=2'}
    assert [each["RateLimit"] for each in answers] == [
        '"key";r=2;t=1',
        '"key";r=1;t=1',
        '"key";r=0;t=1',
        '"key";r=0;t=1',
    ]
    assert answers[-1]["Retry-After"] == "1"
    assert answers[-1].json()["violated-policies"] == ["key"]
    assert answers[-1].json()["remaining"] == 0
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert refused.status_code == 403
    assert refused["RateLimit"] == '"key";r=2;t=1'
    assert later.status_code == 200


@pytest.mark.django_db
def test_a_batch_counts_as_its_number_of_events(local, settings, time_that) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_per_second": 2, "api_rate_burst": 100}
    caller = Caller(api_world.key()[0])

    caller.charge_ahead()
    caller.charge(60)
    assert caller.allowance.tokens == 40
    with pytest.raises(ApiProblem) as refused:
        caller.charge(50)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "5"
    caller.charge(40)
    assert caller.allowance.tokens == 0


@pytest.mark.django_db
@pytest.mark.parametrize("rate", [0.01, 5])
def test_a_batch_above_the_burst_of_its_key_is_let_in_by_a_full_bucket(
    local, settings, time_that, rate
) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_per_second": 200, "api_rate_burst": 10_000}
    caller = Caller(api_world.key(rate_per_second=rate)[0])

    caller.charge_ahead()
    caller.charge(500)

    assert caller.allowance.tokens == caller.allowance.burst - 500
    with pytest.raises(ApiProblem):
        caller.charge(1)


def test_what_the_request_has_paid_is_not_missing_in_redis(redis) -> None:
    shared = _buckets(redis.url, "")

    assert take(shared, 1, rate=NEVER).granted
    assert not take(shared, 24, rate=NEVER).granted
    assert shared.take("a", cost=24, rate=NEVER, burst=10, paid=1) == Taken(True, -15)


@pytest.mark.django_db
def test_a_single_request_that_charges_one_has_paid_already(local, time_that) -> None:
    caller = Caller(api_world.key()[0])

    caller.charge_ahead()
    before = caller.allowance.tokens
    caller.charge(1)

    assert caller.allowance.tokens == before
    caller.charge(1)
    assert caller.allowance.tokens < before


@pytest.mark.django_db
def test_a_key_may_have_a_rate_of_its_own(local, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_per_second": 10, "api_rate_burst": 100}
    _, text = api_world.key(rate_per_second=0.5)
    with api_world.mounted(api_world.whoami()):
        answer = ask(text)

    assert answer["RateLimit-Policy"] == '"key";q=5;w=10'


@pytest.mark.django_db
def test_a_key_spends_nothing_of_another(local, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_rate_per_second": 0.01, "api_rate_burst": 1}
    keys = [api_world.key()[1] for _ in range(2)]
    with api_world.mounted(api_world.whoami()):
        assert [ask(text).status_code for text in keys * 2] == [200, 200, 429, 429]


# Guessers


@pytest.mark.django_db
def test_an_address_without_a_valid_key_is_slowed_down(local, settings, time_that, caplog) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_failures_per_minute": 2}
    key, text = api_world.key()
    wrong = f"zn_{key.prefix}_{'x' * 43}"
    with api_world.mounted(api_world.whoami()):
        answers = [ask(wrong) for _ in range(3)]
        assert [each.status_code for each in answers] == [401, 401, 429]
        assert answers[-1]["Retry-After"] == "30"
        assert "event=api_keys_refused address=127.0.0.1" in caplog.text

        assert ask(text).status_code == 200  # who shares the address is let in

        elsewhere = Client(REMOTE_ADDR="10.0.0.9").get(ADDRESS, headers=api_world.bearer(wrong))
        assert elsewhere.status_code == 401
        time_that.passes(30)
        assert ask(wrong).status_code == 401


@pytest.mark.django_db
def test_an_address_behind_a_proxy_is_the_one_that_the_proxy_names(local, settings) -> None:
    settings.NEURAL = {**settings.NEURAL, "api_failures_per_minute": 1, "api_proxies": 1}
    with api_world.mounted(api_world.whoami()):
        named = ["1.1.1.1", "6.6.6.6, 1.1.1.1", "2.2.2.2"]
        found = [
            Client().get(ADDRESS, headers={"X-Forwarded-For": each}).status_code for each in named
        ]

    assert found == [401, 429, 401]
