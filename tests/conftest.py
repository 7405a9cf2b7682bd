"""Fixtures that every kind of test shares."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.db import connection

from zhilian.embedded import EmbeddedBroker, answers


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A broker: CELERY_BROKER_URL's where it is set, else an embedded one for this run."""
    if not settings.EMBEDDED_BROKER:
        yield settings.CELERY_BROKER_URL
        return
    broker = EmbeddedBroker(settings.EMBEDDED_BROKER_DIRECTORY)
    with nullcontext() if answers(broker.socket) else broker:  # a test run beside it may have it
        yield broker.url


def child_environment(*, broker_url: str) -> dict[str, str]:
    """The environment in which a real process uses this run's test database and broker."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "zhilian.settings",
        "DATABASE_URL": database_url(),
        "CELERY_BROKER_URL": broker_url,
    }


def database_url() -> str:
    """The test database as DATABASE_URL. Only while pytest-django has it set up."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    login = config["USER"] + (f":{config['PASSWORD']}" if config["PASSWORD"] else "")
    return f"postgres://{login}@{config['HOST']}:{config['PORT'] or 5432}/{config['NAME']}"
