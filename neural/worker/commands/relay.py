"""`manage.py relay`: publishes unpublished runs, and starts lost ones again."""

import signal
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.management.teaching import TeachingCommand
from neural.queues import DEFAULT_QUEUE
from neural.worker.relay import RelayReport, StandingRelay, relay_once


class Command(TeachingCommand):
    """Run one turn of the relay, or a separate relay."""

    help = """
        Publishes the runs that are due and have no message, takes silent workers for dead and
        starts their runs again. Every worker does this once a second in a thread of its own, so
        this command is for odd deployments only: workers that are started without the project's
        settings, or a look at what one turn does. Several relays side by side double nothing.
        Without --once it runs until SIGTERM or Ctrl-C. With --once, where a worker seems to be
        silent, it is watched first for as long as it may be silent (worker_lost_seconds).
    """
    after_help = """
        examples:
          manage.py relay --once
          manage.py relay --interval 5

        exit codes:
          0  done, or stopped
          1  --once: the database or the broker did not answer
          2  wrong usage
    """
    tells_of_runs = True

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds --once and --interval."""
        parser.add_argument("--once", action="store_true", help="one turn, then end")
        parser.add_argument(
            "--interval",
            type=float,
            default=1.0,
            metavar="SECONDS",
            help="pause between two turns (1)",
        )

    def handle(self, *, once: bool, interval: float, **options: Any) -> None:
        """Take one turn with --once, else turns until the process is stopped."""
        if not 0.1 <= interval <= 3600:
            raise CommandError("--interval must be from 0.1 to 3600 seconds", returncode=2)
        if once:
            self._once()
        else:
            self._for_ever(interval)

    def _once(self) -> None:
        try:
            report = relay_once()
        except DatabaseError as error:
            raise CommandError(f"The database did not answer: {error}") from error
        self.stdout.write(describe(report))
        if not broker_answers():
            raise CommandError(
                "The broker did not answer, so runs stay unpublished. Nothing is lost: they go "
                "out when it is back. Start it, or correct CELERY_BROKER_URL."
            )

    def _for_ever(self, interval: float) -> None:
        relay = StandingRelay(interval=interval, on_report=self._say)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        self.stdout.write(f"Relay: a turn every {interval:g} s, until SIGTERM or Ctrl-C.")
        self.stdout.flush()
        relay.run()
        self.stdout.write("Stopped.")

    def _say(self, report: RelayReport) -> None:
        self.stdout.write(f"{timezone.localtime():%Y-%m-%d %H:%M:%S} {describe(report)}")
        self.stdout.flush()


def broker_answers() -> bool:
    """Whether the broker answers. Asked even if nothing was unpublished: it matters anyway."""
    try:
        publisher().depths([DEFAULT_QUEUE])
    except BrokerUnavailable:
        return False
    return True


def describe(report: RelayReport) -> str:
    """A line about what a turn did."""
    return (
        f"published {report.published:,} runs, started {report.lost:,} lost ones again, "
        f"gave up {report.workers_given_up:,} workers"
    )
