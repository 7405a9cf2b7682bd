"""What tests of alerts have in common: rules that a test plays, and a situation it describes."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from types import SimpleNamespace

from neural.health.broker import BrokerFacts
from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.models import QueuePause
from neural.monitoring.alerts.evaluating import evaluate
from neural.monitoring.alerts.rules import RULES, Judgement, Rule, View, by_probe
from neural.monitoring.models import Alert
from neural.monitoring.rollups import reading
from neural.queues.state import QueueState, wait_limits

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)  # a Wednesday


def after(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


class Seen(Situation):
    """A situation of which all but the pauses is described."""

    def __init__(self, *, stores, due, readers, **seen) -> None:
        super().__init__(stores)
        self.due, self.read = due, set(readers)
        self.__dict__.update(seen)

    @cached_property
    def queues(self) -> dict[str, QueueState]:
        pauses = {each.queue: each for each in QueuePause.objects.in_force(self.now)}
        return {
            name: self._state(name, pauses.get(name)) for name in {*self.due, *self.read, *pauses}
        }

    def _state(self, name: str, pause: QueuePause | None) -> QueueState:
        runs, seconds = self.due.get(name, (0, 0))
        return QueueState(
            name=name,
            due=runs,
            oldest_seconds=seconds,
            readers=int(name in self.read),
            pause=pause,
            limits=wait_limits()(name),
        )


def situation(*, waiting=(), readers=(), messages=None, error="", hosts=(), stores=None):
    """What a relay sees: ``waiting`` are (queue, runs, oldest seconds)."""
    return Seen(
        now=NOON,
        stores=stores,
        due={queue: (runs, seconds) for queue, runs, seconds in waiting},
        readers=readers,
        broker=BrokerFacts(address="redis://", error=error, messages=messages or {}),
        workers=[SimpleNamespace(host=host) for host in hosts],
    )


def finding(probe: str, status: Status = Status.PROBLEM, found: str = "it is broken") -> Finding:
    return Finding(probe=probe, status=status, found=found, remedy="mend it")


def view(*findings: Finding, now: dt.datetime = NOON, own=None, **seen) -> View:
    return View(
        situation=situation(**seen), findings=by_probe(findings), now=now, own_thresholds=own or {}
    )


def judged(rule: Rule, seen: View) -> Judgement:
    return rule.judge(seen, seen.thresholds_of(rule))


def found(rule: Rule, seen: View) -> dict[str, str]:
    """What the rule finds wrong: severity by subject."""
    return {each.subject: str(each.severity) for each in judged(rule, seen).conditions}


class Figures:
    """Figures as relays would have added them up; each test writes its own."""

    def __init__(self, monkeypatch) -> None:
        self.until: dt.datetime | None = NOON
        self.minutes: dict[dt.datetime, dict[tuple[str, str], reading.Figures]] = {}
        self.events: dict[dt.datetime, dict[str, int]] = {}
        self.last: dict[str, dt.datetime] = {}
        self.hours_read: Counter = Counter()
        monkeypatch.setattr(reading, "counted_until", lambda: self.until)
        monkeypatch.setattr(reading, "by_minute", self._by_minute)
        monkeypatch.setattr(reading, "events_by_hour", self._events_by_hour)
        monkeypatch.setattr(reading, "last_events", lambda stores=None: self.last)

    def counted(self, at: dt.datetime, *, queue="default", work="app.count", **counts) -> None:
        minute = self.minutes.setdefault(at.replace(second=0, microsecond=0), {})
        minute[(queue, work)] = reading.Figures(**counts)

    def _by_minute(self, since, until, *, by=("queue",)) -> Mapping:
        result: dict = {}
        for minute, rows in self.minutes.items():
            if not since.replace(second=0, microsecond=0) <= minute < until:
                continue
            for (queue, work), figures in rows.items():
                key = tuple({"queue": queue, "work": work}[name] for name in by)
                before = result.setdefault(minute, {}).get(key, reading.Figures())
                result[minute][key] = reading.Figures(
                    succeeded=before.succeeded + figures.succeeded,
                    failed=before.failed + figures.failed,
                    lost=before.lost + figures.lost,
                    dead=before.dead + figures.dead,
                )
        return result

    def _events_by_hour(self, since, until, *, stores=None) -> Mapping:
        self.hours_read[since] += 1
        return {hour: own for hour, own in self.events.items() if since <= hour < until}


class Playing:
    """Replaces all rules by one or more whose judgement the test sets; keeps what is told."""

    def __init__(self, monkeypatch, **rules) -> None:
        self.now = NOON
        self.judgements: dict[str, Judgement] = {}
        self.told: list[tuple[str, str, str]] = []
        self.messages: list[list[tuple[str, str]]] = []
        monkeypatch.setattr(RULES, "_things", {})
        for name, options in (rules or {"tested": {}}).items():
            self.judgements[name] = Judgement()
            RULES.add(name, self._rule(name, options))
        monkeypatch.setattr("neural.monitoring.alerts.news.tell", self._tell)

    def _rule(self, name, options) -> Rule:
        return Rule(
            name=name,
            title=f"Title of {name}",
            judge=lambda view, thresholds: self.judgements[name],
            sentence=lambda subject, facts: f"{subject} is wrong",
            **options,
        )

    def _tell(self, told, *, now) -> None:
        self.messages.append([(each.alert.subject, each.what) for each in told])
        self.told += [(each.alert.rule, each.alert.subject, each.what) for each in told]

    def finds(self, *conditions, rule="tested", **more) -> None:
        known = {name: value for name, value in more.items() if value}
        self.judgements[rule] = Judgement(conditions, **known)

    def passes(self, seconds: float, *, every: float = 15) -> None:
        """Time passes; a relay evaluates now and every so many seconds."""
        end = self.now + dt.timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(self.now + dt.timedelta(seconds=every), end)
            self.look()

    def look(self) -> None:
        evaluate(situation(), [], now=self.now)

    @property
    def whats(self) -> list[str]:
        return [what for _, _, what in self.told]

    @staticmethod
    def alert() -> Alert:
        return Alert.objects.get()
