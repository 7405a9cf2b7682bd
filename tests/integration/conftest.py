"""Fixtures: a broker and workers for one test, on this run's test database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
from celery import current_app

from neural.broker import publisher
from tests.integration.beats import start_beat  # noqa: F401 (a fixture)
from tests.integration.cluster import PATIENT, UNHURRIED, Broker, Cluster, own_broker
from tests.integration.rabbitmq import RabbitMQ, alone


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep the reports, so that fixtures know how their test ended."""
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture
def own_broker_server(tmp_path: Path) -> Iterator[Broker]:
    """A running broker that a test may stop, kill, freeze and wipe."""
    broker = own_broker(tmp_path / "broker")
    is_rabbitmq = isinstance(broker, RabbitMQ)
    with alone() if is_rabbitmq else nullcontext():
        if is_rabbitmq:
            broker.empty()
        broker.start()
        yield broker
        broker.stop()


@pytest.fixture
def cluster(
    request, transactional_db, settings, monkeypatch, tmp_path, own_broker_server
) -> Iterator[Cluster]:
    """Workers on the test database and on `own_broker_server`; this process submits to both.

    If a test fails, the output of its workers is shown. No process is left running.
    """
    settings.NEURAL = UNHURRIED
    point_this_process_to(own_broker_server.url, monkeypatch)
    cluster = Cluster(tmp_path, own_broker_server)
    yield cluster
    cluster.destroy()
    publisher.publisher().close()
    if getattr(request.node, "report_call", None) is not None and request.node.report_call.failed:
        for worker in cluster.workers:
            print(f"--- {worker.name}, the end of its log ---\n{worker.text[-6000:]}")


@pytest.fixture
def patient(cluster, settings) -> None:
    """This process waits for its broker, however slowly it answers: no message is left to a relay,
    so a test can count messages."""
    settings.NEURAL = {**settings.NEURAL, **PATIENT}


@pytest.fixture
def patiently(settings) -> Callable[[], AbstractContextManager[None]]:
    """``with patiently(): …``: meanwhile this process waits for its broker as with `patient`."""

    @contextmanager
    def patiently() -> Iterator[None]:
        before = settings.NEURAL
        settings.NEURAL = {**before, **PATIENT}
        yield
        settings.NEURAL = before
        publisher.publisher().close()  # the next connection has less patience

    return patiently


def point_this_process_to(url: str, monkeypatch) -> None:
    """Submit to this broker. Celery reads the environment first, then its configuration."""
    # The order matters: monkeypatch saves the old value, which Celery takes from the environment.
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    monkeypatch.setattr(publisher, "_publisher", publisher.Publisher())
