"""`manage.py up`: runs everything in one terminal."""

import json
import os
import secrets
import socket
import sys
from argparse import ArgumentTypeError
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from zhilian.celery import app
from zhilian.supervision.embedded import BrokerAlreadyRunning, EmbeddedBroker

ADDRESS = "127.0.0.1"
LOGIN = "admin"
LAST_PORT = 65_535


class Command(BaseCommand):
    """Run everything in one terminal."""

    help = (
        "Runs the whole of Zhilian Neural in this terminal until Ctrl-C or SIGTERM: the web "
        "admin on 127.0.0.1, a worker for high_priority alone, a worker for all queues, beat, "
        "and, where CELERY_BROKER_URL is not set, the embedded broker. Migrates the database "
        "first and prints a login whose password holds until the next start. What dies is "
        "started again. Each process's lines are also in var/log/. For production see deploy/."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--port and --concurrency."""
        parser.add_argument(
            "--port", type=port_number, default=8000, help="port of the admin on 127.0.0.1 (8000)"
        )
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.CELERY_WORKER_CONCURRENCY or max(2, os.cpu_count() or 1),
            help="processes of the worker for all queues (CELERY_WORKER_CONCURRENCY, else the "
            "number of cores, 2 at least); the worker for high_priority has one",
        )

    def handle(self, *, port: int, concurrency: int, **options: Any) -> None:
        """Prepare, then become the supervisor: without Django it takes a tenth of the memory."""
        refuse_busy_port(port)
        broker = EmbeddedBroker(settings.EMBEDDED_BROKER_DIRECTORY)
        try:
            with broker if settings.EMBEDDED_BROKER else nullcontext():
                self._prepare(port)
        except BrokerAlreadyRunning as error:
            raise CommandError(str(error)) from error
        plan = {
            "programs": programs(port=port, concurrency=concurrency),
            "logs": str(settings.VAR / "log"),
            "broker": str(broker.directory) if settings.EMBEDDED_BROKER else None,
        }
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "zhilian.supervision", json.dumps(plan)])

    def _prepare(self, port: int) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        password = secrets.token_urlsafe(12)
        set_login(password)
        self.stdout.write(
            f"\n  http://{ADDRESS}:{port}/\n"
            f"  login {LOGIN}, password {password} (made up now, until the next start)\n"
            f"  broker for other Celery clients: {self._broker_url()}\n"
            "  Ctrl-C stops everything\n\n"
        )
        self.stdout.flush()

    def _broker_url(self) -> str:
        """The embedded broker's address. Another's may hold a password, and its user knows it."""
        return settings.CELERY_BROKER_URL if settings.EMBEDDED_BROKER else "CELERY_BROKER_URL"


def port_number(text: str) -> int:
    """A TCP port, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise ArgumentTypeError(f"{text!r} is not a port: 1 to {LAST_PORT}")
    return int(text)


def refuse_busy_port(port: int) -> None:
    """Raise CommandError when something listens on `port`."""
    with socket.socket() as probe:
        # As gunicorn does: connections of a server that just stopped are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} on {ADDRESS} cannot be used ({error.strerror}). "
                f'Choose another:  make up ARGS="--port {port + 1}"'
            ) from error


def set_login(password: str) -> None:
    """Create or update the superuser whose login `up` prints."""
    user, _ = get_user_model().objects.get_or_create(username=LOGIN)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()


def programs(*, port: int, concurrency: int) -> dict[str, list[str]]:
    """The programs that run beside the broker, by name. The Procfile lists the same."""
    python = sys.executable
    manage = str(Path(settings.BASE_DIR, "manage.py"))
    queues = ",".join(app.amqp.queues)
    gunicorn = f"gunicorn zhilian.wsgi --bind {ADDRESS}:{port} --workers 2 --threads 4 --preload"
    # Its control socket is in the home directory, where two servers would share it.
    gunicorn += " --worker-class zhilian.gunicorn_worker.BufferingWorker --no-control-socket"
    # Verbosity 0 and --quiet: no banner, the lines that matter follow.
    worker = "worker --verbosity 0"
    high = f"{worker} --name high --queues high_priority --concurrency 1"
    shared = f"{worker} --name all --queues {queues} --concurrency {concurrency}"
    beat = "celery --quiet -A zhilian beat"
    return {
        "web": [python, "-m", *gunicorn.split()],
        "high": [python, manage, *high.split()],
        "worker": [python, manage, *shared.split()],
        "beat": [python, "-m", *beat.split()],
    }
