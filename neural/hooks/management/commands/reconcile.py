"""`manage.py reconcile`: asks platforms for what was missed."""

import datetime as dt
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

from django.core.management import CommandError, CommandParser

from neural.hooks.incoming import reconciling
from neural.hooks.models import Reconciliation, ReconciliationState, WebhookSource
from neural.ledger.work import Snooze
from neural.management.acting import add_who, recorded, who
from neural.management.teaching import TeachingCommand, day
from neural.management.teaching import now as time_now

FAILED, WRONG = 1, 2


class Command(TeachingCommand):
    """Ask platforms for the orders that no push has brought."""

    help = """
        Asks the platforms of webhook sources for the orders of a day, and submits what no push has
        brought. What is here already stays as it is, so it may be repeated at any time, also while
        pushes arrive. It makes a run a source and day on low_priority; with --now it works here,
        needs no worker and says what it found. Where beat runs, it happens every night by itself.
    """
    after_help = """
        examples:
          manage.py reconcile                                    (yesterday, every source)
          manage.py reconcile --source square-bund --day 2026-03-02 --now
          manage.py reconcile --since 7d

        exit codes:
          0  done, or asked for
          1  some requests failed: the report names them
          2  wrong usage, there is no such source, or its platform cannot be asked
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Which sources, which days, and where the work is done."""
        parser.add_argument(
            "--source",
            action="append",
            metavar="NAME",
            help="only this source; may be repeated (all that can be asked)",
        )
        days = parser.add_mutually_exclusive_group()
        days.add_argument("--day", type=day, help="a day, or an age like 2d (yesterday)")
        days.add_argument("--since", type=day, metavar="DAY", help="all days from this one on")
        parser.add_argument("--now", action="store_true", help="work here, without workers")
        add_who(parser)

    def handle(
        self,
        *,
        source: list[str] | None,
        day: dt.date | None,
        since: dt.date | None,
        now: bool,
        **options: Any,
    ) -> None:
        """Request each day of each source, or do its work and report it."""
        sources, last = chosen(source), reconciling.today(time_now())
        first = since or day or last - dt.timedelta(days=1)
        days = (last - first).days + 1 if since else 1
        query = {"source": ",".join(each.name for each in sources), "day": str(first)}
        with recorded(options, action="webhooksource.reconcile", query=query) as done:
            rows = {}
            for one, more in product(sources, range(days)):
                asked = first + dt.timedelta(days=more)
                row = reconciling.request(one, asked, by=who(options), enqueued=not now)
                rows[row.pk] = row
                done.add(1)
        if not now:
            self.stdout.write(f"asked for on low_priority: {len(rows):,}")
            return
        if ReconciliationState.FAILED in {self._work(row) for row in rows.values()}:
            raise CommandError("some requests failed", returncode=FAILED)

    def _work(self, row: Reconciliation) -> str:
        """Ask for it here; returns the state in which it ended."""
        while row.state == ReconciliationState.ASKING:
            try:
                reconciling.reconcile(reconciliation=row.pk)
            except Snooze as snoozed:
                time.sleep(snoozed.seconds)
            row = Reconciliation.objects.select_related("source").get(pk=row.pk)
        counts = reconciling.outcome(row)
        failures = counts.pop("failures")
        facts = ", ".join(f"{name} {value}" for name, value in counts.items() if name != "day")
        self.stdout.write(f"{row.source} {row.day}: {facts}")
        for each in failures:
            self.stdout.write(f"  {each['code'] or row.source}: {each['reason']}")
        return row.state


def chosen(names: Sequence[str] | None) -> Sequence[WebhookSource]:
    """The sources of these names, by default all that can be asked."""
    found = list(WebhookSource.objects.order_by("name"))
    if names is None:
        return [each for each in found if not reconciling.why_not(each)]
    known = {each.name: each for each in found}
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"there is no webhook source {unknown[0]!r}", returncode=WRONG)
    for name in names:
        if why := reconciling.why_not(known[name]):
            raise CommandError(f"{name}: {why}", returncode=WRONG)
    return [known[name] for name in names]
