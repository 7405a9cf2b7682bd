"""A cluster whose broker and result backend the test names, and this process as its client."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import current_app
from kombu import pools

from neural.broker.connections import transport_options
from neural.celeryapp.results import DatabaseResults, RedisResults
from tests.integration.cluster import (
    PATIENT,
    ROOT,
    UNHURRIED,
    Broker,
    Cluster,
    RedisServer,
    Worker,
    client,
    own_broker,
)
from tests.integration.rabbitmq import RabbitMQ, alone, celery_setting

RABBITMQ_URL = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


_numbers = itertools.count()


class Surface:
    """The cluster and its result backend. A lost message is published again in a moment."""

    QUICK = {"republish_seconds": 1, "republish_lease_seconds": 5}

    def __init__(self, cluster: Cluster, results: str) -> None:
        self.cluster = cluster
        # RabbitMQ keeps a worker's control queue for as long as it thinks that it lives.
        cluster.worker_names = f"w{os.getpid()}-{next(_numbers)}-"
        self.environment = {"CELERY_RESULT_BACKEND": results}

    def worker(self, **options) -> Worker:
        options = {**self.QUICK, "environment": self.environment, **options}
        return self.cluster.worker(**options)

    def type(self, *words: str, answers: bool = True) -> str:
        """`celery -A zhilian …`, as a person types it; returns what it prints."""
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "zhilian", *words]
        environment = self.cluster.environment() | self.environment
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, timeout=240, check=False
        )
        assert done.returncode == 0 or not answers, done
        return done.stdout.decode()

    def ask(self, verb: str, *words: str) -> str:
        """What the newest worker answers to `celery inspect …` or `celery control …`, however long
        a busy machine keeps it: by itself, the command waits for one second."""
        name = self.cluster.workers[-1].row.name
        return self.type(verb, "--destination", name, "--timeout", "60", *words)

    def lose_messages(self, queue: str = "default") -> None:
        """What the broker held is gone, as after a crash without persistence."""
        with client(self.cluster.broker) as it:
            assert it.delete(queue)


@pytest.fixture
def own_broker_server(request, tmp_path: Path) -> Iterator[Broker]:
    """The broker of this test run, or RabbitMQ where the test says so and one answers."""
    wants_rabbitmq = getattr(request, "param", "own") == "rabbitmq"
    broker = RabbitMQ(RABBITMQ_URL) if wants_rabbitmq else own_broker(tmp_path / "broker")
    is_rabbitmq = isinstance(broker, RabbitMQ)
    if is_rabbitmq and not broker.answers():
        pytest.skip(f"no RabbitMQ answers on {urlsplit(RABBITMQ_URL).hostname} (RABBITMQ_URL)")
    options = celery_setting("broker_transport_options", transport_options(broker.url))
    with options, alone() if is_rabbitmq else nullcontext():
        if is_rabbitmq:
            broker.empty()
        broker.start()
        yield broker
        broker.stop()
        if is_rabbitmq:
            broker.empty()


@pytest.fixture
def results(request, tmp_path: Path, monkeypatch) -> Iterator[str]:
    """CELERY_RESULT_BACKEND, in force here too: django-db, or a Redis of the test's own."""
    app = current_app._get_current_object()
    if getattr(request, "param", "django-db") == "django-db":
        monkeypatch.setattr(app, "_backend_cache", DatabaseResults(app))
        yield "django-db"
        return
    server = RedisServer(tmp_path / "results", database=2)
    server.start()
    monkeypatch.setattr(app, "_backend_cache", RedisResults(app=app, url=server.url))
    yield server.url
    server.stop()


@pytest.fixture
def surface(cluster: Cluster, results: str, settings, monkeypatch) -> Iterator[Surface]:
    """This process sends and looks as any client does; what it had open before is forgotten."""
    settings.NEURAL = {**UNHURRIED, **Surface.QUICK, **PATIENT}
    forget_connections()
    yield Surface(cluster, results)
    forget_connections()


def forget_connections() -> None:
    """Kombu keeps pools by address for the whole process: one that is closed stays closed for
    every later test that has the same broker."""
    pools.reset()
    current_app._pool = current_app.amqp._producer_pool = None
    current_app.__dict__.pop("control", None)
