"""What the Celery application really runs with, beside settings.py's names for it."""

import os
import subprocess
import sys

import pytest

from neural.worker.commands.worker import arguments
from zhilian.celery import app

QUEUES = ["high_priority", "default", "low_priority"]


def test_each_queue_has_an_exchange_and_a_routing_key_of_its_own():
    queues = app.amqp.queues

    assert list(queues) == QUEUES
    assert [queues[name].exchange.name for name in QUEUES] == QUEUES
    assert [queues[name].routing_key for name in QUEUES] == QUEUES


def test_a_mistyped_queue_is_refused():
    from celery.exceptions import QueueNotFound

    with pytest.raises(QueueNotFound):
        app.send_task("any", queue="hihg_priority")


def test_a_message_never_carries_a_priority():
    assert app.conf.task_default_priority is None
    assert app.conf.task_queue_max_priority is None


def test_a_message_comes_back_later_than_the_hard_limit():
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit


def test_a_worker_stops_within_the_grace_of_up():
    from zhilian.supervision.processes import GRACE_SECONDS

    assert app.conf.worker_soft_shutdown_timeout + 10 <= GRACE_SECONDS


@pytest.mark.parametrize(
    "first", ["import celery.bin.celery, celery.bin.worker", "import zhilian.celery"]
)
def test_sigterm_stops_a_worker_softly_however_it_was_started(first):
    """The celery program has imported billiard before it imports the project, and with it
    what sends the signal to the pool's processes."""
    code = (
        f"{first}; import zhilian.celery;"
        "import celery.apps.worker as worker, celery.worker.request as request;"
        "print(worker.install_worker_term_handler.keywords['how'], request.TERM_SIGNAME)"
    )
    # Of this process, which has imported the project, it would be inherited.
    environment = {name: value for name, value in os.environ.items() if name != "REMAP_SIGTERM"}

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )

    # Soft while worker_soft_shutdown_timeout runs.
    assert printed.stdout.split() == ["Cold", "SIGQUIT"]


def test_the_worker_command_says_it_in_celerys_words():
    result = arguments(queues="high_priority", concurrency=1, name="high", loglevel="DEBUG")

    assert " ".join(result) == (
        "worker --without-gossip --without-mingle --hostname high@%h --pool prefork "
        "--queues high_priority --concurrency 1 --loglevel DEBUG"
    )
