"""`manage.py replay_bakery`: submits a real bakery chain's sales as events."""

import json
import sys
from argparse import ArgumentTypeError
from contextlib import closing
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from zhilian.demo.bakery import (
    DAYS,
    SHOPS,
    AnswerCounts,
    BakeryDataMissing,
    BakeryDataUnexpected,
    bakery_sales,
    replay_bakery,
)


class Command(BaseCommand):
    """Replay real sales as events."""

    help = (
        f"Submits the real sales of a bakery chain ({SHOPS} shops, three products, "
        f"2016-01-02 to 2019-04-30) as events: one sales.reported a shop and day, "
        f"{SHOPS * DAYS:,} in all, with weather, holidays and promotions. They are history: "
        "their runs wait on low_priority and delay nothing live. Workers must be running to "
        "process them (manage.py up). What was replayed before is answered 'duplicate' and "
        "changes nothing, so the command may be stopped and started again. The exit code is "
        "1 when an event was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """--shops, --shop, --days, --rate, --dry-run, --json."""
        parser.add_argument("--shops", type=positive, help=f"only the first N of {SHOPS} shops")
        parser.add_argument(
            "--shop",
            action="append",
            default=[],
            help="only this shop, by its store code (bakery-2); may be repeated",
        )
        parser.add_argument("--days", type=positive, help=f"only the first N of {DAYS} days")
        parser.add_argument(
            "--rate", type=positive_rate, help="events a second (as fast as they are recorded)"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="read and check the data, submit nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(
        self,
        *,
        shops: int | None,
        shop: list[str],
        days: int | None,
        rate: float | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Replay the sales and print the counts."""
        choice: dict[str, Any] = {"shops": shops, "days": days, "only": tuple(shop)}
        try:
            total = sum(1 for _ in bakery_sales(**choice))
            if dry_run:
                self.stdout.write(f"{total:,} events could be submitted.")
                return
            tally = self._submit(choice, rate, total)
        except (BakeryDataMissing, BakeryDataUnexpected) as error:
            raise CommandError(str(error)) from error
        self._report(tally, as_json=options["json"])

    def _submit(self, choice: dict[str, Any], rate: float | None, total: int) -> AnswerCounts:
        tally = AnswerCounts()
        replay = replay_bakery(**choice, rate=rate, requested_by="replay_bakery")
        # disable=None: no bar without a terminal.
        bar = tqdm(total=total, unit=" events", file=sys.stderr, disable=None)
        with closing(replay) as answers, bar:
            try:
                for answer in answers:
                    tally.count(answer)
                    bar.update()
            except KeyboardInterrupt:
                self.stderr.write("Stopped. Start it again to go on: nothing is recorded twice.")
        return tally

    def _report(self, tally: AnswerCounts, *, as_json: bool) -> None:
        counts = {"new": tally.new, "duplicate": tally.duplicate, "refused": tally.refused}
        if as_json:
            self.stdout.write(json.dumps({**counts, "reasons": dict(tally.reasons)}))
        else:
            self.stdout.write(
                f"{tally.new:,} new, {tally.duplicate:,} recorded before, "
                f"{tally.refused:,} refused."
            )
            for reason, times in tally.reasons.most_common(10):
                self.stdout.write(f"  {times:,} × {reason}")
        if tally.refused:
            raise CommandError("Some events were refused.")


def positive(text: str) -> int:
    """A whole number above zero, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def positive_rate(text: str) -> float:
    """A number above zero, for argparse."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number above zero")
    return rate
