"""`manage.py analyse_demand`: update the demand summaries."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management import CommandError, CommandParser
from tqdm import tqdm

from neural.ledger.clock import database_clock
from neural.management.acting import Counted, add_who, recorded
from neural.management.teaching import TeachingCommand, day
from neural.models import Store
from neural.restaurant.analysis.analysing import (
    StoreUnknown,
    analyse_store,
    known_store,
    request_analysis_of,
    stores_with_demand,
)

REQUESTER = "analyse_demand"


class Command(TeachingCommand):
    """Bring the summaries of demand up to date."""

    help = """
        Brings the daily and weekly summaries of demand up to date: totals, change on the week
        before, best sellers, unusual days. It asks for one run a store on low_priority, which
        workers do when nothing more urgent waits; with --now it works here and needs no worker.
        It happens every night by itself where beat runs. Doing it again changes nothing that is
        right already, so it may be stopped and started at any time.
    """
    after_help = """
        examples:
          manage.py analyse_demand
          manage.py analyse_demand --store S01 --store S02
          manage.py analyse_demand --since 2026-03-01       (its week and later ones)
          manage.py analyse_demand --since 30d --now

        exit codes:
          0  done, or asked for
          2  wrong usage, or there is no such store
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Which stores, from which day, and where the work is done."""
        parser.add_argument(
            "--store",
            action="append",
            metavar="CODE",
            help="only this store; may be repeated (all stores that have sold something)",
        )
        parser.add_argument(
            "--since",
            type=day,
            metavar="DAY",
            help="only the week of this day and later ones: a day, or an age (30d)",
        )
        parser.add_argument("--now", action="store_true", help="work here, without workers")
        add_who(parser)

    def handle(
        self, *, store: list[str] | None, since: dt.date | None, now: bool, **options: Any
    ) -> None:
        """Enqueue the runs or do their work, and report it."""
        stores = chosen(store)
        query = {"store": ",".join(store)} if store else {}
        with recorded(options, action="demandsummary.analyse", query=query) as done:
            if now:
                self._analyse(stores, since, done)
                return
            for each in with_progress(stores):
                request_analysis_of(store=each, since=since, requested_by=REQUESTER)
                done.add(1)
        self.stdout.write(f"{len(stores):,} {runs(len(stores))} asked for on low_priority.")

    def _analyse(self, stores: Sequence[Store], since: dt.date | None, counted: Counted) -> None:
        written = deleted = 0
        for each in with_progress(stores):
            done = analyse_store(
                store=each, since=since, now=database_clock(), seconds=float("inf")
            )
            written += done.written
            deleted += done.deleted
            counted.add(1)
        self.stdout.write(
            f"{len(stores):,} stores analysed: {written:,} summaries written, {deleted:,} deleted."
        )


def chosen(codes: list[str] | None) -> Sequence[Store]:
    """The stores of these codes, by default every store that has sold something."""
    try:
        return [known_store(code) for code in codes] if codes else list(stores_with_demand())
    except StoreUnknown as error:
        raise CommandError(str(error), returncode=2) from error


def with_progress(stores: Sequence[Store]) -> Iterator[Store]:
    """The stores, with a progress bar on a terminal."""
    yield from tqdm(stores, unit="store", leave=False, disable=None)


def runs(number: int) -> str:
    """Singular or plural."""
    return "run is" if number == 1 else "runs are"
