"""`manage.py demo`: real sales through real workers, and a report."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.management.teaching import quiet_ledger
from neural.queues import QUEUES
from zhilian.demo.bakery import DAYS, SHOPS, BakeryDataMissing, data_file
from zhilian.demo.demonstration import Demonstration, Stalled
from zhilian.demo.management.commands.replay_bakery import positive, positive_rate
from zhilian.demo.report import DemoReport
from zhilian.supervision.embedded import BrokerAlreadyRunning, EmbeddedBroker, answers


class Command(BaseCommand):
    """Run everything once, with a report."""

    help = (
        f"Shows the whole of it at work: the real sales of a bakery chain ({SHOPS} shops × "
        f"{DAYS:,} days = {SHOPS * DAYS:,} events) are replayed as history, beside them invented "
        "orders, payments and stock counts go one by one at high priority, and two real workers "
        "process both. Among the live events each thing that may go wrong happens once, and three "
        "tills have two business days each. Prints a report; the exit code is 1 when anything "
        "accepted is neither finished nor dead for a stated reason, or when a till closed a day "
        "with other sums than the ledger's. The state stays (`make up` shows it) and a second run "
        "goes on from it. "
        "Ctrl-C stops it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--shops, --days, --live-rate, --concurrency."""
        parser.add_argument(
            "--shops", type=positive, default=SHOPS, help=f"the first N shops (all {SHOPS})"
        )
        parser.add_argument(
            "--days", type=positive, default=DAYS, help=f"the first N days (all {DAYS:,})"
        )
        parser.add_argument(
            "--live-rate", type=positive_rate, default=20.0, help="live events a second (20)"
        )
        parser.add_argument(
            "--concurrency",
            type=positive,
            default=max(2, os.cpu_count() or 1),
            help="processes of the worker for all queues (number of cores, 2 at least); the "
            "worker for high_priority has one",
        )

    def handle(self, **options: Any) -> None:
        """Run to the end and report."""
        try:
            data_file()  # fails before anything is started
            with broker() as keep_broker:
                refuse_silent_broker()
                report = self._run(keep_broker, options)
        except (BakeryDataMissing, BrokerAlreadyRunning) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(STOPPED, returncode=130) from None
        if report.problems:
            raise CommandError("Not everything is as it should be.")

    def _run(self, keep_broker: Callable[[], None], options: dict[str, Any]) -> DemoReport:
        call_command("migrate", interactive=False, verbosity=0)
        log = Path(settings.VAR, "demo-workers.log")
        with log.open("w") as file:
            demonstration = Demonstration(
                shops=min(options["shops"], SHOPS),
                days=min(options["days"], DAYS),
                live_rate=options["live_rate"],
                concurrency=options["concurrency"],
                log=file,
                keep_broker=keep_broker,
            )
            demonstration.progress.say(f"The workers' log is {log}")
            try:
                with quiet_ledger():
                    finished = demonstration.run()
            except Stalled as error:
                raise CommandError(f"Given up: {error}. See {log}") from error
        if not finished:
            raise CommandError(STOPPED, returncode=130)
        report = DemoReport(demonstration)
        for line in report.lines():
            self.stdout.write(line)
        return report


STOPPED = "Stopped. What was accepted is kept: run it again to go on."


def refuse_silent_broker() -> None:
    """Raise CommandError if the broker is down: the demo would process nothing."""
    try:
        publisher().depths(QUEUES)
    except BrokerUnavailable as error:
        raise CommandError(
            f"{error}. Start it, correct CELERY_BROKER_URL, or leave that out: "
            "then the demo starts a broker of its own."
        ) from error


@contextmanager
def broker() -> Iterator[Callable[[], None]]:
    """Yield a function that keeps the broker running: the one of `make up` if it runs, else our
    own."""
    embedded = EmbeddedBroker(settings.EMBEDDED_BROKER_DIRECTORY)
    if not settings.EMBEDDED_BROKER:
        yield lambda: None
        return
    keep = lambda: keep_running(embedded)  # noqa: E731
    keep()
    try:
        yield keep
    finally:
        embedded.stop()


def keep_running(embedded: EmbeddedBroker) -> None:
    """Start the embedded broker unless one answers. It continues from its file."""
    if embedded.pid is None and not answers(embedded.socket):
        # It is frozen or still loading, and belongs to another process, which takes care of it.
        with suppress(BrokerAlreadyRunning):
            embedded.start()
