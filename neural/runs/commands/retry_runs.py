"""`manage.py retry_runs`: runs dead, cancelled or discarded runs again."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db import transaction
from django.db.models import Count
from tqdm import tqdm

from neural.kit.conf import conf
from neural.management.acting import Counted, add_who, record_command, recorded
from neural.management.teaching import TeachingCommand, point_in_time
from neural.models import RunState, TaskRun, WorkerProcess
from neural.runs.acts import RETRY
from neural.runs.bulk.beginning import MOST_CHOSEN
from neural.runs.models.run import TaskRunQuerySet
from neural.runs.selecting import set_aside

SHOWN_GROUPS = 10
SHOWN_EXAMPLES = 3
NARROWING = ("task", "handler", "queue", "store", "since", "until", "error", "ids")
CHOOSING = ("state", *NARROWING)
ACTION = "run.retry"
LEFT_OUT = {
    "payload_pruned": "the payload of the event was pruned",
    "refused": "refused messages are retried by --ids",
}
CHUNK = 1000
"""The most runs of one transaction."""


class Command(TeachingCommand):
    """Run dead, cancelled or discarded runs again."""

    help = """
        Runs dead runs (or cancelled or discarded ones) again, with their retries restored. Look
        first with --dry-run: it shows what would be retried, by work and error. Options narrow
        the choice; without any, every dead run is chosen. The ledger changes at once; the relay
        in the workers then publishes. A run whose event's payload was pruned is left out: there
        is nothing left to work on. Dead letters of refused messages are retried by --ids alone.
    """
    after_help = """
        examples:
          manage.py retry_runs --dry-run
          manage.py retry_runs --handler neural.record_order --error 'connection refused'
          manage.py retry_runs --since 2h --yes
          manage.py retry_runs --state cancelled --store S01 --since 2026-03-01 --until 2026-03-02
          manage.py retry_runs --ids 0195c0de-0000-7000-8000-000000000001 4711

        exit codes:
          0  done, or nothing was chosen
          1  not confirmed
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the options that choose runs, and those that say how to proceed."""
        parser.add_argument(
            "--state",
            action="append",
            choices=[state.value for state in RETRY.states],
            help="state of the runs; may be repeated (dead)",
        )
        parser.add_argument("--task", help="name of the task, as the ledger has it")
        parser.add_argument("--handler", help="name of the event handler")
        parser.add_argument("--queue", help="queue on which they ran")
        parser.add_argument("--store", help="code of the store")
        parser.add_argument(
            "--since",
            type=point_in_time,
            metavar="TIME",
            help="finished at or after this: an age (90m, 2h, 3d), a day, or ISO 8601",
        )
        parser.add_argument(
            "--until", type=point_in_time, metavar="TIME", help="finished before this"
        )
        parser.add_argument("--error", metavar="TEXT", help="part of the last error, in any case")
        parser.add_argument("--ids", nargs="+", metavar="ID", help="task ids or row numbers")
        parser.add_argument("--dry-run", action="store_true", help="show, and change nothing")
        parser.add_argument(
            "--yes", action="store_true", help="do not ask (nor does it without a terminal)"
        )
        add_who(parser)

    def handle(self, *, dry_run: bool, yes: bool, **options: Any) -> None:
        """Show the chosen runs, ask for confirmation, and retry them."""
        states = list(dict.fromkeys(map(RunState, options["state"] or [RunState.DEAD])))
        named = bool(options["ids"])
        found = set_aside(
            states=states, **{name: options[name] for name in NARROWING if options[name]}
        )
        reached = RETRY.reached(found, named=named)
        number = reached.count()
        self._show(reached, number, " or ".join(states))
        for why, left_out in RETRY.left_out(found, named=named).items():
            if count := left_out.count():
                self.stdout.write(f"{count:,} more {runs_are(count)} left out: {LEFT_OUT[why]}.")
        if dry_run or not number:
            return
        if not yes and sys.stdin.isatty() and not confirmed(number):
            raise CommandError("Nothing was changed.")
        acts, changed = Acts(options), 0
        with (
            tqdm(total=number, unit="run", leave=False, disable=None) as bar,
            recorded(options, action=ACTION, query=acts.query) as acts.done,
        ):
            for state in states:
                for runs in retry(reached.filter(state=state), acts):
                    changed += runs
                    bar.update(runs)
        self.stdout.write(f"{changed:,} {runs_are(changed)} due again.")
        self._say_who_publishes()

    def _show(self, reached: TaskRunQuerySet, number: int, states: str) -> None:
        self.stdout.write(f"{number:,} {states} {runs_are(number)} chosen.")
        rest, alike = number, ("handler", "task", "error")
        groups = reached.order_by().values_list(*alike).annotate(runs=Count("pk"))
        for handler, task, error, runs in groups.order_by("-runs", *alike)[:SHOWN_GROUPS]:
            rest -= runs
            why = error or "no error is recorded"
            self.stdout.write(f"  {runs:>7,}  {handler or task}: {why}")
        if rest:
            self.stdout.write(f"  {rest:>7,}  others; narrow the choice to see them")
        for run in reached.order_by("-pk")[:SHOWN_EXAMPLES]:
            self.stdout.write(f"  such as {run.task_id} of {run.work_name} on {run.queue}")

    def _say_who_publishes(self) -> None:
        alive = WorkerProcess.objects.publishing().alive(conf().worker_lost_seconds)
        if not alive.exists():
            self.stderr.write(
                "No worker or relay is alive, so nothing is published or run until one is: "
                "manage.py worker (or manage.py up)."
            )


class Acts:
    """Records in the audit log which runs were retried.

    As many are named as people may choose one by one: an entry is kept for ever. The others are
    counted for each store, with what chose them.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.query = {name: _summary(options[name]) for name in CHOOSING if options[name]}
        self.named = 0
        self.done = Counted()

    def record(self, runs: Sequence[TaskRun]) -> None:
        """Record that these were retried, in the transaction that did it."""
        rows = runs[: MOST_CHOSEN - self.named]
        self.named += len(rows)
        for part, named in ((rows, True), (runs[len(rows) :], False)):
            if part:
                facts: dict[str, Any] = {"query": self.query, "rows": part, "named": named}
                self.done.entry = record_command(self.options, action=ACTION, **facts)


def retry(reached: TaskRunQuerySet, acts: Acts) -> Iterator[int]:
    """Retry these runs of one state, a chunk in each transaction; yields how many each had. A run
    whose state somebody changes meanwhile is left alone."""
    last = 0
    while runs := _retry_chunk(reached.filter(pk__gt=last), acts):
        yield len(runs)
        last = runs[-1].pk


@transaction.atomic
def _retry_chunk(reached: TaskRunQuerySet, acts: Acts) -> Sequence[TaskRun]:
    rows = reached.order_by("pk").only("store")
    if runs := list(rows.select_for_update(of=("self",))[:CHUNK]):
        RETRY.change_all(runs)
        acts.record(runs)
    return runs


def _summary(value: Any) -> str:
    """An option's value, for the audit log."""
    return ",".join(value) if isinstance(value, list) else str(value)


def confirmed(number: int) -> bool:
    """Whether the person at the terminal agrees."""
    return input(f"Run {number:,} again? [y/N] ").strip().lower() in ("y", "yes")


def runs_are(number: int) -> str:
    """'run is' or 'runs are', by the number."""
    return "run is" if number == 1 else "runs are"
