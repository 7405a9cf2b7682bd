"""Figures equal the ledger: whatever happened to runs, each thing is counted once."""

import datetime as dt
import random
from collections import Counter

import pytest
from django.db import transaction
from django.utils import timezone

from neural.ledger import outcome as outcomes
from neural.ledger.claim import Claimant, claim
from neural.ledger.outcome import Outcome
from neural.ledger.settle import Fenced, mark_lost, release, settle
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.monitoring.models import (
    EventFigures,
    HourFigures,
    MinuteFigures,
    ReadMark,
    Tally,
    TotalEvents,
    TotalFigures,
)
from neural.monitoring.models.figures import EVERY_STORE
from neural.monitoring.rollups import folding, history, reading, writing
from neural.monitoring.rollups.histograms import bucket_of
from neural.worker.refusing import RefusedCall, keep_refused
from tests.unit.factories import ago, make_event, make_run, make_store, make_worker
from tests.unit.monitoring.figures import (
    events_in_ledger,
    fold_all,
    hour,
    in_ledger,
    in_tables,
    minute,
)

pytestmark = pytest.mark.django_db
BY_WORK = ("queue", "work")


@pytest.fixture(autouse=True)
def _counting(monkeypatch):
    fold_all()


def taken(run: TaskRun) -> TaskRun:
    (found,) = claim(task_id=run.task_id, claimant=Claimant(make_worker().pk, 7))
    return found


def claimed(**fields) -> TaskRun:
    return taken(make_run(**fields))


def ended(run: TaskRun, state: RunState = RunState.SUCCEEDED, *, at=None, **fields) -> Outcome:
    at = at or timezone.now()
    started_at = fields.pop("started_at", at - dt.timedelta(seconds=2))
    return Outcome(run=run, state=state, started_at=started_at, finished_at=at, **fields)


def failed(run: TaskRun, state: RunState = RunState.PENDING, **fields) -> Outcome:
    due = {"due_at": timezone.now()} if state == RunState.PENDING else {}
    what = {"failures": run.failures + 1, "attempt_outcome": AttemptOutcome.FAILED, **due}
    return ended(run, state, **what, **fields)


class Mixture:
    """Runs of several queues, works and stores, to which anything happens."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.waits: Counter = Counter()
        self.durations: Counter = Counter()

    def happen(self, runs: int) -> None:
        for _ in range(runs):
            self._submit()
        for _ in range(3):
            due = list(TaskRun.objects.due())
            while due:
                size = self.random.choice([1, 1, 2, 20])
                batch, due = due[:size], due[size:]
                self._settle([taken(run) for run in batch])

    def _submit(self) -> None:
        store = self.random.choice([None, make_store("S1"), make_store("S2")])
        event = make_event(f"{self.random.random()}", store=store.pk) if store else None
        make_run(
            queue=self.random.choice(["default", "high_priority"]),
            handler=self.random.choice(["", "count", "write"]),
            event=event,
            store=store,
            available_at=ago(seconds=self.random.choice([0, 1, 30, 5000])),
        )

    def _settle(self, runs: list[TaskRun]) -> None:
        kept = []
        for run in runs:
            kind = self.random.choice("ssssfdlrsnwx")
            if kind == "l":
                mark_lost([run], max_losses=2, why="gone")
            elif kind == "r":
                release([run], why="stopped")
            else:
                kept.append(self._outcome(kind, run))
        settle(kept)
        for each in kept:
            if each.succeeded or each.attempt_outcome == AttemptOutcome.FAILED:
                self._note(each)

    def _outcome(self, kind: str, run: TaskRun) -> Outcome:
        at = ago(minutes=self.random.randrange(180))
        times = {"at": at, "started_at": at - dt.timedelta(seconds=self.random.random() * 9)}
        clock = outcomes.Clock.of(run)
        match kind:
            case "f":
                return failed(run, **times)
            case "d":
                return failed(run, RunState.DEAD, **times)
            case "n":
                return outcomes.skipped(run, clock)
            case "w":
                word = outcomes.Snooze(0.0)
                return outcomes.failed(run, word, None, at, clock)
            case "x":
                run.options = {"expires_at": "2026-01-01T00:00:00Z"}
                return outcomes.expired(run, clock)
        return ended(run, **times)

    def _note(self, each: Outcome) -> None:
        wait = each.started_at - each.run.available_at
        duration = each.finished_at - each.started_at
        key = (minute(each.finished_at), each.run.queue, each.run.work_name)
        self.waits[*key, bucket_of(wait.total_seconds())] += 1
        self.durations[*key, bucket_of(duration.total_seconds())] += 1


def buckets(name: str) -> Counter:
    found = Counter()
    for row in MinuteFigures.objects.all():
        for bucket, count in enumerate(getattr(row, name)):
            if count:
                found[row.minute, row.queue, row.work, bucket] = count
    return found


@pytest.mark.parametrize("seed", range(4))
def test_after_any_mixture_figures_equal_the_ledger(seed, monkeypatch):
    monkeypatch.setattr(folding, "MOST_TALLIES", 7)
    mixture = Mixture(seed)
    for _ in range(2):  # the second time adds to rows that exist
        mixture.happen(40)
        fold_all()

    assert not Tally.objects.exists()
    assert in_tables(MinuteFigures, "minute", *BY_WORK) == in_ledger()
    by_store = in_ledger(hour, lambda run: (run.queue, run.work_name, run.store_id or ""))
    of_chain = in_ledger(hour, lambda run: (run.queue, run.work_name, EVERY_STORE))
    assert in_tables(HourFigures, "hour", *BY_WORK, "store_code") == by_store + of_chain
    of_all_time = in_ledger(lambda moment: None)
    totals = in_tables(TotalFigures, *BY_WORK)
    assert Counter({(None, *key): number for key, number in totals.items()}) == of_all_time
    assert buckets("wait") == mixture.waits
    assert buckets("duration") == mixture.durations


def without_monitoring() -> None:
    """Leave the database as it is when monitoring is added: a history without tallies."""
    Tally.objects.all().delete()
    ReadMark.objects.all().delete()
    TaskRun.objects.update(created_at=ago(days=700))


def equals_the_ledger() -> bool:
    by_store = in_ledger(hour, lambda run: (run.queue, run.work_name, run.store_id or ""))
    of_chain = in_ledger(hour, lambda run: (run.queue, run.work_name, EVERY_STORE))
    hours = in_tables(HourFigures, "hour", *BY_WORK, "store_code")
    minutes = in_tables(MinuteFigures, "minute", *BY_WORK)
    return (minutes, hours) == (in_ledger(), by_store + of_chain)


def pass_minutes(monkeypatch, minutes: float) -> None:
    later = history.database_clock() + dt.timedelta(minutes=minutes)
    monkeypatch.setattr(history, "database_clock", lambda: later)


def test_what_came_before_the_first_turn_of_a_relay_is_counted_at_once():
    ReadMark.objects.all().delete()
    settle([ended(claimed(event=make_event("1", store="S1"))), ended(claimed())])

    fold_all()

    assert equals_the_ledger()
    assert reading.event_totals() == {"inventory.updated": 1}


@pytest.mark.parametrize("seed", range(4))
def test_monitoring_that_is_added_later_fills_its_figures_from_the_ledger(seed, monkeypatch):
    """While runs go on: what is settled after the history's end is counted by its tally alone."""
    monkeypatch.setattr(folding, "MOST_RUNS", 7)
    mixture = Mixture(seed)
    mixture.happen(40)
    before = TaskRun.objects.filter(state=RunState.SUCCEEDED).count()
    without_monitoring()
    folding.fold(as_of=timezone.now(), seconds=60)
    cut = ReadMark.objects.get(pk=folding.MARK).candidate_at
    settle([ended(claimed(), at=cut - dt.timedelta(seconds=1))])  # before the end, with a tally
    settle([ended(claimed(), at=cut)])
    folding.fold(as_of=timezone.now(), seconds=60)

    assert reading.counted_until() is None  # pages say that figures are not complete
    assert TotalFigures.objects.get().succeeded == 1 < before

    pass_minutes(monkeypatch, 5)
    settle([ended(claimed()), failed(claimed(), RunState.DEAD, at=cut)])
    fold_all()

    assert equals_the_ledger()
    assert not Tally.objects.exists()


def test_filling_that_is_killed_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr(folding, "MOST_RUNS", 2)
    for _ in range(6):
        settle([ended(claimed())])
    without_monitoring()
    folding.fold(as_of=timezone.now(), seconds=60)
    pass_minutes(monkeypatch, 5)
    add, written = writing.add, []

    def write_and_fail(sums):
        add(sums)
        written.append(sums)
        if len(written) == 2:
            raise ConnectionError("killed")

    monkeypatch.setattr(writing, "add", write_and_fail)
    with pytest.raises(ConnectionError):
        fold_all()
    fold_all()

    assert equals_the_ledger()


def test_the_history_ends_when_no_worker_is_left_that_began_before_monitoring(monkeypatch):
    settle([ended(claimed())])
    without_monitoring()
    old = make_worker("old@host", started_at=ago(days=700), heartbeat_at=ago(days=-1))
    folding.fold(as_of=timezone.now(), seconds=60)
    first = ReadMark.objects.get(pk=folding.MARK).candidate_at
    pass_minutes(monkeypatch, (first - history.database_clock()) / dt.timedelta(minutes=1) - 0.1)

    folding.fold(as_of=timezone.now(), seconds=60)
    assert ReadMark.objects.get(pk=folding.MARK).candidate_at > first

    old.stop()
    pass_minutes(monkeypatch, 5)
    fold_all()
    assert equals_the_ledger()


def test_events_are_counted_by_hour_store_and_type_with_the_time_of_the_last():
    for number in range(5):
        make_event(str(number), store="S1" if number < 3 else "S2")
    make_event("old", store="S1", recorded_at=ago(hours=3))
    last = make_event("other", store="S1", type="stock.counted")
    fold_all()
    make_event("later", store="S2")
    fold_all()

    rows = EventFigures.objects.all()
    counted = {(row.hour, row.store_code, row.event_type): row.events for row in rows}
    assert counted == events_in_ledger()
    assert TotalEvents.objects.get(pk="inventory.updated").events == 7
    found = EventFigures.objects.get(event_type="stock.counted")
    assert found.last_at == last.recorded_at.replace(microsecond=0)


def test_one_transaction_writes_one_tally_however_many_runs_it_settles():
    settle([ended(claimed()) for _ in range(20)])

    assert Tally.objects.count() == 1


def test_what_counts_nothing_leaves_no_tally():
    run = claimed()

    settle([outcomes.skipped(run, outcomes.Clock.of(run))])

    assert not Tally.objects.exists()


def test_what_was_fenced_counts_nothing():
    run = claimed()
    TaskRun.objects.update(token=1)

    with pytest.raises(Fenced), transaction.atomic():
        settle([ended(run)])

    assert not Tally.objects.exists()


def test_adding_up_that_fails_after_it_has_written_is_repeated_from_the_start(monkeypatch):
    settle([ended(claimed()) for _ in range(3)])

    def write_and_fail(sums):
        add(sums)
        raise ConnectionError("killed")

    add = writing.add
    monkeypatch.setattr(writing, "add", write_and_fail)
    with pytest.raises(ConnectionError):
        fold_all()
    monkeypatch.setattr(writing, "add", add)
    fold_all()

    assert in_tables(MinuteFigures, "minute", *BY_WORK) == in_ledger()


UNREADABLE = {
    "no JSON": "[[",
    "of another shape": '[[29000000,"default","work","S1",1]]',
    "no list": "5",
    "no minute": '[["today","default","work","succeeded",false,2,3,["S1"]]]',
    "no work": '[[29000000,"default",null,"succeeded",false,2,3,["S1"]]]',
    "no store": '[[29000000,"default","work","succeeded",false,2,3,["S1",null]]]',
    "of another kind": '[[29000000,"default","work","bewitched",false,2,3,["S1"]]]',
    "of further buckets": '[[29000000,"default","work","succeeded",false,2,99,["S1"]]]',
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_tally_that_cannot_be_read_is_logged_and_holds_up_no_other(text, caplog):
    settle([ended(claimed())])
    Tally.objects.create(figures=text)
    settle([ended(claimed())])

    fold_all()

    assert in_tables(MinuteFigures, "minute", *BY_WORK) == in_ledger()
    assert not Tally.objects.exists()
    assert caplog.text.count("event=tally_unreadable") == 1


def test_a_message_that_is_kept_as_a_dead_letter_counts_once_however_often_it_comes():
    refused = RefusedCall(
        task="theirs", task_id="1", sent_id="1", queue="default", priority=5, reason="unreadable"
    )
    for _ in range(2):
        keep_refused(refused, lambda refused, run: None)

    fold_all()

    found = TotalFigures.objects.get()
    assert (found.submitted, found.failed, found.dead) == (1, 1, 1)
    assert in_tables(MinuteFigures, "minute", *BY_WORK) == in_ledger()


def test_a_retry_by_a_person_counts_as_no_new_run():
    run = claimed()
    settle([failed(run, RunState.DEAD)])
    run.refresh_from_db()
    run.retry()
    settle([failed(taken(run), RunState.DEAD)])

    fold_all()

    found = TotalFigures.objects.get()
    assert (found.submitted, found.failed, found.dead) == (1, 2, 2)


def test_without_a_backlog_nothing_is_read_before_it_is_time(django_assert_num_queries, settings):
    settings.NEURAL = {**settings.NEURAL, "figures_seconds": 3600}
    with django_assert_num_queries(1):
        folding.fold_if_due()


def test_a_turn_that_takes_too_long_leaves_the_rest_to_the_next(monkeypatch):
    monkeypatch.setattr(folding, "MOST_TALLIES", 1)
    for _ in range(3):
        settle([ended(claimed())])

    assert not folding.fold(as_of=timezone.now(), seconds=0)
    assert Tally.objects.count() == 2

    fold_all()
    assert TotalFigures.objects.get().succeeded == 3
