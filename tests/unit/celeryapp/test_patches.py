"""The patches of Celery and kombu know for which versions they were made."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.signals import celeryd_init
from celery.worker.heartbeat import Heart

from neural.broker import consumer, patches, redis
from neural.health import system_checks as checks

REQUIREMENTS = (Path(__file__).parents[3] / "requirements.txt").read_text()


@pytest.mark.parametrize("name", patches.LOOKED_AT)
def test_the_pinned_version_was_looked_at(name):
    (pinned,) = re.findall(rf"^{name}(?:\[\w+\])?==(\S+)", REQUIREMENTS, re.M)

    assert pinned == patches.LOOKED_AT[name]


@pytest.mark.parametrize(
    ("installed", "warned"),
    [("5.6.2", 0), ("5.7.0", 0), ("5.7.0rc1", 0), ("5.7.1", 1), ("5.10", 1), ("6.0.0b1", 1)],
)
def test_a_check_names_what_is_newer_than_was_looked_at(monkeypatch, installed, warned):
    installed_versions = {**patches.LOOKED_AT, "kombu": installed}
    monkeypatch.setattr(patches, "version", installed_versions.__getitem__)

    found = checks.check_patched_versions()

    assert [each.id for each in found] == ["neural.W020"] * warned
    for each in found:
        assert f"kombu {installed} is newer than 5.7.0" in each.msg
        assert "neural/broker/patches.py" in each.hint


def test_each_patch_names_its_upstream_issue():
    texts = (redis.__doc__, consumer.__doc__)
    paragraphs = [each for text in texts for each in text.split("\n\n**")[1:]]
    without = [text.split("**")[0] for text in paragraphs if "celery/" not in text]

    assert without == ["Full, while connected."]  # a part of the one before it


def test_a_method_that_a_newer_version_does_not_have_is_told_and_left_out(caplog):
    class Renamed:
        """What a newer version has in the place of a class that is patched."""

    patches.replace(Renamed, "_send", _once)

    assert not hasattr(Renamed, "_send")
    assert "event=patch_left_out what=Renamed._send" in caplog.text


def test_a_method_is_replaced_once(monkeypatch):
    monkeypatch.setattr(Heart, "_send", lambda self, event, retry=True: retry)
    patches.replace(Heart, "_send", _once)
    once = Heart._send
    patches.replace(Heart, "_send", _once)

    assert Heart._send is once
    assert Heart._send(None, "worker-heartbeat", retry=True) is False


def test_a_heartbeat_is_sent_once(monkeypatch):
    monkeypatch.setattr(Heart, "_send", lambda self, event, retry=True: retry)
    heartbeat = object.__new__(consumer.Heartbeat)

    assert heartbeat._send("worker-heartbeat", retry=True) is False


@pytest.mark.parametrize(
    ("named", "used"),
    [(patches.CELERYS_CONSUMER, patches.CONSUMER), ("a.project:Consumer", "a.project:Consumer")],
)
def test_a_worker_has_our_consumer_unless_the_project_names_one(named, used):
    conf = SimpleNamespace(worker_consumer=named)

    celeryd_init.send(sender="a@host", conf=conf, instance=None)

    assert conf.worker_consumer == used


def test_our_heartbeats_are_the_only_ones():
    steps = consumer.Consumer.Blueprint.default_steps

    assert consumer.Heart in steps
    assert "celery.worker.consumer.heart:Heart" not in steps


def _once(original):
    return lambda self, event, retry=False: original(self, event, retry=False)


FIRST_CONNECTION = """
import json, os, sys

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django

django.setup()
before = "kombu.transport.redis" in sys.modules
from celery import current_app

found = [
    current_app.connection_for_write(f"{scheme}://127.0.0.1/1").get_transport_cls()
    for scheme in ("redis", "rediss", "sentinel")
]
from kombu.transport import redis
from neural.broker.redis import SentinelTransport, Transport

print(json.dumps([before, [
    found == [Transport, Transport, SentinelTransport],
    issubclass(SentinelTransport.Channel, redis.SentinelChannel),
    hasattr(redis.loads, "_neural"),
]]))
"""


@pytest.mark.once
def test_redis_is_loaded_and_patched_with_the_first_connection():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO_")}
    asked = subprocess.run(
        [sys.executable, "-c", FIRST_CONNECTION],
        env={**environment, "DATABASE_URL": "", "CELERY_BROKER_URL": ""},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )

    assert asked.returncode == 0, asked.stderr
    before, patched_then = json.loads(asked.stdout)
    assert before is False
    assert patched_then == [True] * 3
