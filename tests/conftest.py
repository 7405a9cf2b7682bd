"""Fixtures that every kind of test shares."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.db import connection
from django.utils import translation

from tests import emptying, order, selection
from zhilian.supervision.embedded import EmbeddedBroker, answers


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin each test in the default language: a request of the one before may have set another."""
    translation.deactivate()


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that needs no server as `once`, and one with real processes as `slow`."""
    if selection.is_pure(item):
        item.add_marker(selection.PURE)
    if selection.is_slow(item):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests so that processes which share them end at about the same time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        order.longest_file_first(items)


def pytest_sessionstart() -> None:
    emptying.delete_only_what_is_there()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """With WATCH_ONCE=1, check that a test which is marked `once` does not use a server.

    The check is off by default: a cache that one test fills can hide what the next one needs."""
    if "WATCH_ONCE" not in os.environ or selection.PURE.mark not in item.own_markers:
        return (yield)
    with selection.watched() as seen:
        answer = yield
    assert not seen, f"mark it `services`, for {' and '.join(sorted(seen))}"
    return answer


@pytest.fixture(autouse=True)
def _publishes_on_purpose() -> Iterator[None]:
    """This suite has brokers of its own; other projects' tests ask for it (`publish_in_tests`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neural.broker.publisher.is_test_environment", lambda: False)
        yield


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A broker: the one that CELERY_BROKER_URL names, else an embedded one for this run."""
    if not settings.EMBEDDED_BROKER:
        yield settings.CELERY_BROKER_URL
        return
    broker = EmbeddedBroker(settings.EMBEDDED_BROKER_DIRECTORY)
    with nullcontext() if answers(broker.socket) else broker:  # another test run may use it
        yield broker.url


def child_environment(*, broker_url: str) -> dict[str, str]:
    """The environment for a real process on this run's test database and broker."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "zhilian.settings",
        "DATABASE_URL": database_url(),
        "CELERY_BROKER_URL": broker_url,
    }


def database_url() -> str:
    """The test database as DATABASE_URL. Valid only while pytest-django has set it up."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    login = config["USER"] + (f":{config['PASSWORD']}" if config["PASSWORD"] else "")
    return f"postgres://{login}@{config['HOST']}:{config['PORT'] or 5432}/{config['NAME']}"
