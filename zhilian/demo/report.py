"""The report at the end of the demo: what was submitted, what the ledger made of it, and what the
apps' own commands show of it."""

import shlex
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count

from neural.forecasting.management.commands import forecast
from neural.ledger.clock import database_clock
from neural.models import NeuralEvent, RunState
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.folding import fold
from neural.monitoring.rollups.histograms import added, quantile
from neural.restaurant.days.summary import compare_closes
from neural.restaurant.models import DayClose, Order
from zhilian.demo.cases import CASES
from zhilian.demo.demonstration import Demonstration
from zhilian.demo.live import CURRENCY, SOURCE
from zhilian.demo.till import Till

SERVERS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
SEARCHED = ("egg tart", "--collection", "orders", "--top", "3")
LONGEST_FOLD_SECONDS = 60
UNFINISHED = (RunState.PENDING, RunState.RUNNING)


class DemoReport:
    """The report of a demo that has ended, line by line; afterwards ``problems`` says what is not
    as it should be."""

    def __init__(self, demonstration: Demonstration) -> None:
        self.demo = demonstration
        self.session = demonstration.session
        self.problems: list[str] = []

    def lines(self) -> Iterator[str]:
        """The whole report."""
        sections = (self._events, self.runs, self._queues, self._cases, self._searching)
        for section in (*sections, self._training, self._verdict):
            yield ""
            yield from section()

    def _check(self, is_well: bool, problem: str) -> str:
        """Keep the problem unless all is well; returns the mark of its line."""
        if not is_well:
            self.problems.append(problem)
        return "ok " if is_well else "NOT OK"

    def _events(self) -> Iterator[str]:
        server = SERVERS.get(connection.vendor, connection.vendor)
        broker = "embedded Valkey" if settings.EMBEDDED_BROKER else "Redis"
        yield f"EVENTS   session {self.session.name}, {server}, {broker}"
        head = ("submitted", "recorded", "duplicate", "refused")
        yield f"  {'':<26}" + "".join(f"{each:>13}" for each in head)
        sales = self.demo.replay.tally
        for name, tally in (
            ("bakery sales (real)", sales),
            ("invented events", self.demo.live.tally),
        ):
            counts = (tally.total, tally.new, tally.duplicate, tally.refused)
            yield f"  {name:<26}" + "".join(f"{each:>13,}" for each in counts)
            for reason, times in tally.reasons.items():
                yield f"    refused {times:,} × {reason}"
        if sales.duplicate:
            yield "  An earlier run had recorded the duplicate sales: they changed nothing."
        self._check(not sales.refused, "sales were refused")

    def runs(self) -> Iterator[str]:
        """What the ledger counts, beside what the submitters were answered."""
        runs = self.session.runs()
        by_state = runs.order_by().values_list("state").annotate(Count("pk"))
        states: Counter[str] = Counter(dict(by_state))
        counts = ", ".join(f"{number:,} {state}" for state, number in states.most_common())
        yield f"RUNS     by the ledger's count: {counts}"
        for run in runs.filter(state=RunState.DEAD).select_related("event"):
            mark = self._check(bool(run.error), f"{run} is dead without a reason")
            event = run.event and run.event.event_id
            yield f"  {mark} dead: {run.work_name} of {event}: {run.error}"
        unfinished = sum(states[state] for state in UNFINISHED)
        self._check(not unfinished, f"{unfinished:,} runs are unfinished")
        yield from self._accounted_for()

    def _accounted_for(self) -> Iterator[str]:
        """Every event that was answered ``new`` has a run, or nobody handles it."""
        ours = {"source": SOURCE, "event_id__startswith": f"{self.session.name}-"}
        unhandled = NeuralEvent.objects.unhandled().filter(**ours).count()
        fresh = self.session.runs().filter(pk__gt=self.session.last_before)
        handled = fresh.aggregate(events=Count("event", distinct=True))["events"]
        accepted = self.demo.replay.tally.new + self.demo.live.tally.new
        lost = accepted - handled - unhandled
        mark = self._check(not lost, f"{lost:,} accepted events are not in the ledger")
        yield (
            f"  {mark} {accepted:,} events were accepted: {handled:,} have runs, "
            f"{unhandled:,} have no handler and are kept"
        )

    def _queues(self) -> Iterator[str]:
        """The figures that the console shows."""
        now = database_clock()
        fold(as_of=now, seconds=LONGEST_FOLD_SECONDS)
        began_at = self.session.began_at.replace(second=0, microsecond=0)
        waits: dict[str, list[int]] = {}
        for minute in reading.by_minute(began_at, now).values():
            for (queue,), figures in minute.items():
                waits[queue] = added(waits.get(queue, ()), figures.wait)
        yield "QUEUES   from due to started"
        for queue, wait in sorted(waits.items()):
            half, most = (1000 * (quantile(wait, share) or 0) for share in (0.5, 0.99))
            yield f"  {queue:<16}half within {half:,.0f} ms, 99 % within {most:,.0f} ms"
        yield "  On low_priority the wait is the backlog, by design: history delays nothing live."

    def _cases(self) -> Iterator[str]:
        yield "CASES    among the live events (invented; a drill fails on purpose)"
        for case in CASES:
            is_well, seen = case.look(self.session.name, self.demo.live.answers)
            yield f"  {self._check(is_well, case.name)} {case.name}: {case.expected}"
            yield f"       {seen}"
        yield from day_lines(self.demo.live.tills, self.problems)

    def _searching(self) -> Iterator[str]:
        yield "SEARCH"
        if self.demo.why_not_searchable:
            self.problems.append("not everything can be searched")
            yield f"  indexing waits: {self.demo.why_not_searchable}"
        else:
            yield from self._command("search", *SEARCHED)

    def _training(self) -> Iterator[str]:
        """How the round ended, how far its forecasts err, and what a shop should prepare."""
        training = self.demo.training
        if training.round is None:
            yield f"TRAINING no round: {training.why_not}"
            return
        yield f"TRAINING as on the morning of {training.as_of}"
        self._check(training.is_good, f"round {training.round.pk} is {training.round.state}")
        if training.is_old:
            yield "  Of an earlier run: nothing was recorded since that it does not know."
        yield from self._command("federated_report", "--round", str(training.round.pk))
        if training.shop is not None:
            yield "PREPARE"
            for line in forecast.lines(forecast.newest(training.shop), days=1):
                yield f"  {line}"

    def _command(self, *arguments: str) -> Iterator[str]:
        """What a command prints, below how to type it."""
        printed = StringIO()
        yield f"  $ manage.py {shlex.join(arguments)}"
        try:
            call_command(*arguments, stdout=printed, stderr=printed)
        except CommandError as error:
            self.problems.append(f"{arguments[0]}: {error}")
        yield from (f"  {line}" for line in printed.getvalue().splitlines())

    def _verdict(self) -> Iterator[str]:
        for problem in self.problems:
            yield f"NOT OK: {problem}"
        if not self.problems:
            yield "Everything is accounted for: finished, or dead for a stated reason."
        yield "Look at it in the admin:  make up"


def day_lines(tills: list[Till], problems: list[str]) -> Iterator[str]:
    """The days as each till closed them beside the ledger's own sums, each with its bills. What
    differs goes into ``problems``, too."""
    yield f"DAYS     invented, in {CURRENCY}, as each till closed them, beside the ledger's sums"
    closes = DayClose.objects.filter(till__in=[till.code for till in tills])
    compared = compare_closes(closes)
    by_day = {(each.store_id, each.till, each.business_day): compared[each.pk] for each in closes}
    shown: set[str] = set()
    for till in tills:
        for day in till.days:
            found = by_day.get((till.shop, till.code, day))
            is_well = bool(found and found.agrees)
            total = till.totals(day).sums["total"]
            yield f"  {'ok ' if is_well else 'NOT OK'} {till.shop} {till.name} {day}: {total}"
            if not is_well:
                problems.append(f"{till.shop} {till.name} {day} differs from the ledger")
            for each in (*found.figures, *found.tenders) if found else ():
                if each.differs:
                    yield f"    {each.name} is {each.stated} at the till, {each.ours} in the ledger"
            yield from _bill_lines(till, day, shown)


def _bill_lines(till: Till, day: Any, shown: set[str]) -> Iterator[str]:
    """The bills that show something, each story once, as the ledger has them."""
    rows = Order.objects.filter(store=till.shop, till=till.code, business_day=day)
    orders = {order.number: order for order in rows}
    for bill in till.bills_of(day):
        if bill.story and bill.story not in shown and (order := orders.get(bill.ticket)):
            shown.add(bill.story)
            yield f"     {bill.ticket} {order.counted:.2f}, owed {order.balance:.2f}  {bill.story}"
