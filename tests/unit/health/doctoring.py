"""Asking `doctor`, and the brokers and situations that tests show it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis
from celery import current_app

from neural.health import Status
from neural.health.broker import BrokerFacts
from neural.health.findings import Finding
from neural.health.situation import Situation
from zhilian.supervision.embedded import EmbeddedBroker

ROOT = Path(__file__).parents[3]


def set_broker(monkeypatch, url: str) -> None:
    """Celery asks the environment first, then its configuration."""
    # In this order: what is put back is read before, and is the environment's where it has one.
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    monkeypatch.setenv("CELERY_BROKER_URL", url)


@contextmanager
def client_of(embedded: EmbeddedBroker, monkeypatch, settings) -> Iterator[redis.Redis]:
    """The project is set to this broker, which has time to answer; a client of it."""
    set_broker(monkeypatch, embedded.url)
    settings.NEURAL = {**settings.NEURAL, "publish_timeout_seconds": 30}
    with redis.Redis(unix_socket_path=str(embedded.socket), db=1) as client:
        yield client


def healthy() -> Situation:
    situation = Situation()
    situation.broker = BrokerFacts(
        address="redis://", append_only=True, maxmemory_policy="noeviction"
    )
    return situation


def is_found(finding, status: Status, *words: str) -> bool:
    """Whether a finding has this status and says these words; the last is in the remedy."""
    assert finding.status == status, finding
    *found, cure = words
    assert all(word in finding.found for word in found), finding
    assert cure in finding.remedy, finding
    return True


def found_within(seconds: float, look: Callable[[], Finding]) -> Finding:
    """What a probe finds, which must be able to do so within so many seconds. It is asked up to
    five times: on a busy machine any one look may be kept waiting."""
    for _ in range(5):
        began = time.monotonic()
        finding = look()
        took = time.monotonic() - began
        if took < seconds:
            return finding
    raise AssertionError(f"it takes more than {seconds} s: {took:.1f}")


def asked(
    environment: Mapping[str, str],
) -> tuple[subprocess.CompletedProcess[str], dict[str, dict[str, str]]]:
    """The real command in an environment: how it ended, and its findings by probe."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return ended, {each["probe"]: each for each in json.loads(ended.stdout)["findings"]}
