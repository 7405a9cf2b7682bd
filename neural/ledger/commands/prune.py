"""`manage.py prune`: deletes rows that are finished and old."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import CommandError, CommandParser
from django.db.models import QuerySet
from tqdm import tqdm

from neural.events.changes import prune_payloads
from neural.ledger.clock import database_clock
from neural.ledger.prune import (
    PRUNABLE_STATES,
    PRUNABLES,
    Progress,
    Retention,
    Step,
    key_range,
    prune_old,
    prune_runs,
    prune_workers,
)
from neural.management.acting import Counted, add_who, recorded
from neural.management.teaching import TeachingCommand
from neural.models import NeuralEvent, RunState, TaskRun

PAYLOAD_DAYS = 90
MOST_DAYS = 36_500


class Command(TeachingCommand):
    """Delete finished and old rows."""

    help = """
        Deletes finished runs with their attempts, and rows of workers that no run names any more.
        {others}
        How long runs are kept after they finished is said by the settings succeeded_kept_days
        (30), cancelled_kept_days (90), discarded_kept_days (90), dead_kept_days (until you say
        --state dead --days N) and, for some work, kept_days_by_work: docs/reference/settings.md.
        Waiting and running ones are never touched, nor are events: --payloads empties the
        payloads of old events, while their keys stay, so that an event sent again is still
        known as a duplicate. An event without its payload cannot be run again. Works in small
        steps beside live work and may be stopped at any time: run it every night.
    """
    after_help = f"""
        examples:
          manage.py prune --dry-run
          manage.py prune
          manage.py prune --days 7 --state succeeded
          manage.py prune --days 365 --state dead
          manage.py prune --payloads                (events older than {PAYLOAD_DAYS} days)

        exit codes:
          0  done
          2  wrong usage
    """

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        """The parser, whose help lists what apps have registered for pruning."""
        self.help = type(self).help.format(others=_others())
        return super().create_parser(*args, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the options that say what to prune, and how old it must be."""
        parser.add_argument(
            "--days", type=float, help="age from which on, for all that is named (see above)"
        )
        parser.add_argument(
            "--state",
            action="append",
            choices=[state.value for state in PRUNABLE_STATES],
            help="state of the runs; may be repeated (all but dead)",
        )
        parser.add_argument(
            "--payloads",
            action="store_true",
            help=f"empty payloads of events recorded --days ({PAYLOAD_DAYS}) ago, whose runs are "
            "all gone or finished; not those with a dead run, nor those that nobody handled",
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        add_who(parser)

    def handle(
        self,
        *,
        days: float | None,
        state: list[str] | None,
        payloads: bool,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Prune runs, workers and, with ``payloads``, payloads; report what was done."""
        keep = retention(days, state)
        if dry_run:
            self._prune(keep, days, payloads, dry_run, Counted())
            return
        asked = {"days": days, "state": ",".join(state or ()), "payloads": payloads}
        query = {name: str(value) for name, value in asked.items() if value}
        with recorded(options, action="retention.delete", query=query) as done:
            self._prune(keep, days, payloads, dry_run, done)

    def _prune(
        self, keep: Retention, days: float | None, payloads: bool, dry_run: bool, counted: Counted
    ) -> None:
        now = database_clock()
        would = "would be " if dry_run else ""
        with bar("runs", TaskRun.objects.all(), counted) as done:
            runs = prune_runs(now=now, keep=keep, dry_run=dry_run, on_progress=done)
        for kind, kept_days in keep.states.items():
            if kept_days is not None or runs[kind]:
                self.stdout.write(
                    f"{runs[kind]:,} {kind} runs {_older(kept_days, keep)}{would}deleted."
                )
        if payloads:
            self._payloads(PAYLOAD_DAYS if days is None else days, dry_run, would, counted)
        for each in PRUNABLES:
            with bar(each.name, each.model._default_manager.all(), counted) as done:
                number = prune_old(each, now=now, dry_run=dry_run, on_progress=done)
            self.stdout.write(
                f"{number:,} {each.name} older than {each.kept_days():g} days {would}deleted."
            )
        workers = prune_workers(now=now, dry_run=dry_run)
        counted.add(workers)
        self.stdout.write(f"{workers:,} workers that no run names {would}deleted.")

    def _payloads(self, days: float, dry_run: bool, would: str, counted: Counted) -> None:
        with bar("events", NeuralEvent.objects.filter(pruned_at=None), counted) as done:
            emptied = prune_payloads(
                now=database_clock(), keep_days=days, dry_run=dry_run, on_progress=done
            )
        self.stdout.write(
            f"{emptied:,} payloads of events older than {days:g} days {would}emptied."
        )


def _others() -> str:
    """What apps have registered for pruning, a sentence on each line."""
    return f"\n{8 * ' '}".join(f"Also deletes {each.which}." for each in PRUNABLES)


def _older(days: float | None, keep: Retention) -> str:
    text = "" if days is None else f"older than {days:g} days "
    return f"{text}(or as kept_days_by_work says) " if keep.works else text


def retention(days: float | None, states: list[str] | None) -> Retention:
    """How long runs are kept: as the settings say, or ``days``. Raises CommandError for a wrong
    combination."""
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise CommandError(f"--days: 0 to {MOST_DAYS:,}", returncode=2)
    settings = Retention.of_settings()
    if days is not None:
        chosen = states or [state for state in settings.states if state != RunState.DEAD]
        return Retention(states=dict.fromkeys(chosen, days))
    if states and RunState.DEAD in states and settings.only("dead").least_days() is None:
        raise CommandError(
            "--state dead needs --days: dead runs wait for a person, so say how long. To run them "
            "again: manage.py retry_runs --dry-run",
            returncode=2,
        )
    return settings.only(*states) if states else settings


@contextmanager
def bar(what: str, rows: QuerySet[Any], counted: Counted) -> Iterator[Progress]:
    """A progress bar over rows by primary key; without a terminal there is no bar. What each step
    has deleted is counted."""

    def advance(step: Step) -> None:
        counted.add(step.pruned.total())
        shown.update(step.keys)

    with tqdm(total=key_range(rows), desc=what, unit="row", leave=False, disable=None) as shown:
        yield advance
