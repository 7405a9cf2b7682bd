"""`manage.py worker`: a Celery worker that runs what is due."""

from argparse import ArgumentTypeError
from typing import Any

from celery import concurrency as pools
from celery import current_app
from django.core.checks import Tags
from django.core.management import BaseCommand, CommandError, CommandParser

from neural.celeryapp.app import readable
from neural.kit.conf import conf

ASYNC = "async"
ASYNC_POOL = "neural.worker.asynchronous.pool:TaskPool"


class Command(BaseCommand):
    """Start a Celery worker."""

    help = (
        "Starts a Celery worker: the same as `celery -A <project> worker`, with the project's "
        "queues by default. Run one worker for high_priority alone beside one for all queues, "
        "so that no backlog delays what is urgent. SIGTERM gives running tasks a few seconds, "
        "then releases what is left; send it to this process only, not to its group. Run it "
        "under something that starts it again (manage.py up, systemd). --verbosity 0 leaves out "
        "Celery's banner."
    )

    # The checks of URLs, templates and the admin would load every page, for as long as it lives.
    requires_system_checks = ("neural", Tags.models, Tags.caches, Tags.database)

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds --queues, --concurrency, --name, --pool and --loglevel."""
        parser.add_argument(
            "--queues",
            help="queues to read, separated by commas, asked in turn (all that are configured)",
        )
        parser.add_argument(
            "--concurrency",
            type=at_least_one,
            help="tasks run at the same time (CELERY_WORKER_CONCURRENCY, else number of cores; "
            "with --pool async the setting async_concurrency, 100)",
        )
        parser.add_argument(
            "--name",
            default="worker",
            help="first part of the worker's name, before @ and the host's; unique on a host",
        )
        parser.add_argument(
            "--pool",
            default="prefork",
            choices=["prefork", "threads", "solo", ASYNC],
            help="prefork (the default) alone can stop any task at its hard time limit; async does "
            "many runs of `async def` work at once, on queues of their own",
        )
        parser.add_argument(
            "--loglevel",
            type=str.upper,
            choices=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
            help="how much to log (as the project's settings say)",
        )

    def handle(self, **options: Any) -> None:
        """Run the worker until it is stopped."""
        refuse_unknown_queues(options["queues"])
        current_app.worker_main(arguments(**options))


def at_least_one(text: str) -> int:
    """A whole number of at least 1, as an option's type."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def refuse_unknown_queues(queues: str | None) -> None:
    """Raise CommandError for a queue that is not configured and holds no messages: its worker would
    wait for ever."""
    known = set(current_app.amqp.queues)
    unknown = sorted({name for name in (queues or "").split(",") if name} - known)
    unknown = [name for name in unknown if name not in readable(unknown)]
    if unknown and not current_app.conf.task_create_missing_queues:
        raise CommandError(
            f"There is no queue {', '.join(unknown)}; there are {', '.join(sorted(known))}.",
            returncode=2,
        )


def arguments(
    *,
    queues: str | None = None,
    concurrency: int | None = None,
    name: str = "worker",
    pool: str = "prefork",
    loglevel: str | None = None,
    verbosity: int = 1,
    **options: Any,
) -> list[str]:
    """The arguments of Celery's `worker` command that these options stand for."""
    if pool == ASYNC:
        concurrency = concurrency or conf().async_concurrency
        pool = "custom"  # the one pool that Celery knows besides its own
        pools.ALIASES[pool] = ASYNC_POOL  # type: ignore[attr-defined]  # no stub
    # Gossip and mingle exchange news between workers, which nothing here needs: liveness is kept
    # in the database. Remote control (inspect, revoke) works without them.
    result = [] if verbosity else ["--quiet"]
    result += ["worker", "--without-gossip", "--without-mingle"]
    result += ["--hostname", f"{name}@%h", "--pool", pool]
    if queues:
        result += ["--queues", queues]
    if concurrency:
        result += ["--concurrency", str(concurrency)]
    if loglevel:
        result += ["--loglevel", loglevel]
    return result
