"""`manage.py queue`: pauses and resumes queues, and lists what is paused."""

from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from neural.ledger.clock import database_clock
from neural.management.acting import add_who, record_command, who
from neural.management.teaching import TeachingCommand, span_of_time
from neural.models import QueuePause
from neural.queues.pausing import PauseRefused, pause, pauses, resume


class Command(TeachingCommand):
    """Pause and resume a queue, list what is paused."""

    help = """
        Pauses a queue: no run of it starts any more, whatever is restarted, until it is resumed or
        its end has come. Runs that have started go on, and events and tasks are accepted as
        always. Pausing a paused queue changes its reason and its end. Needs the database alone.
    """
    after_help = """
        examples:
          manage.py queue list
          manage.py queue pause low_priority --reason 'month-end closing' --for 2h
          manage.py queue resume low_priority

        exit codes:
          0  done
          1  the queue cannot be paused like this, or was not paused
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the three verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="show the paused queues")
        pausing = verbs.add_parser("pause", help="start no more runs of a queue")
        pausing.add_argument("queue", help="name of the queue")
        pausing.add_argument("--reason", required=True, help="why; everybody sees it")
        pausing.add_argument(
            "--for",
            dest="span",
            type=span_of_time,
            metavar="SPAN",
            help="resume by itself after this: 90m, 2h, 3d (until it is resumed)",
        )
        resuming = verbs.add_parser("resume", help="start the runs of a queue again")
        resuming.add_argument("queue", help="name of the queue")
        add_who(pausing, reason=False)
        add_who(resuming)

    def handle(self, *, verb: str, **options: Any) -> None:
        """Do what the verb says."""
        getattr(self, f"_{verb}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        found = list(pauses().order_by("queue"))
        for each in found:
            self.stdout.write(describe(each))
        if not found:
            self.stdout.write("No queue is paused.")

    def _pause(self, options: dict[str, Any]) -> None:
        queue, span = options["queue"], options["span"]
        until = database_clock() + span if span else None
        try:
            with transaction.atomic():
                asked: dict[str, Any] = {"reason": options["reason"], "by": who(options)}
                paused = pause(queue=queue, until=until, **asked)
                record_command(options, action="queue.pause", rows=[paused])
        except PauseRefused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(describe(paused))

    def _resume(self, options: dict[str, Any]) -> None:
        queue = options["queue"]
        with transaction.atomic():
            rows = list(pauses().filter(queue=queue))
            if not resume(queue=queue, by=who(options)):
                raise CommandError(f"{queue} is not paused: manage.py queue list")
            record_command(options, action="queue.resume", rows=rows, details={"queue": queue})
        self.stdout.write(f"{queue} goes on.")


def describe(paused: QueuePause) -> str:
    """A line about a pause."""
    end = f"until {_clock(paused.until)}" if paused.until else "until somebody resumes it"
    return (
        f"{paused.queue} is paused {end}, since {_clock(paused.since)} "
        f"by {paused.paused_by}: {paused.reason}"
    )


def _clock(moment: Any) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
