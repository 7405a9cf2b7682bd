"""Failed attempts are counted in groups, each once, by relays."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.ledger.outcome import failed
from neural.ledger.prune import prune_old
from neural.ledger.settle import settle
from neural.ledger.work import Clock
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.monitoring.errors import folding, grouping, groups
from neural.monitoring.errors.grouping import Grouping, end_mutes, group_failures, sweep
from neural.monitoring.errors.groups import dead_runs, figures_of, open_count, trends_of
from neural.monitoring.models import (
    ErrorGroup,
    ErrorGroupHit,
    ErrorGroupHour,
    ErrorGroupState,
    FailedRun,
)
from neural.monitoring.tables import OLD_GROUPS, OLD_HOURS, OLD_RUNS
from neural.worker.relay import DUTIES
from tests.unit.factories import make_run
from tests.unit.monitoring.failing import fail, grouped

pytestmark = pytest.mark.django_db(transaction=True)

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_failures_of_one_fault_are_one_group_with_first_last_and_count() -> None:
    fail("order 12 is unknown", at=NOON, line=7)
    fail("order 99 is unknown", at=NOON + HOUR, line=19)
    fail("order 12 is closed", at=NOON)

    unknown, closed = grouped()

    assert (unknown.exception, unknown.message) == ("ValueError", "")
    assert unknown.frame == "kitchen.orders.find_unknown"
    assert (unknown.attempts, unknown.first_at, unknown.last_at) == (2, NOON, NOON + HOUR)
    assert closed.attempts == 1


def test_each_attempt_is_counted_once_however_often_relays_read() -> None:
    fail()
    grouped()
    fail()
    for _ in range(3):
        grouped()

    (group,) = ErrorGroup.objects.all()
    assert group.attempts == 2
    assert ErrorGroupHit.objects.get().attempts == 2
    assert [hour.attempts for hour in ErrorGroupHour.objects.all()] == [2, 2]


def test_a_turn_that_is_cut_off_counts_nothing_and_the_next_one_all(monkeypatch: Any) -> None:
    fail()

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folding, "_note_runs", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                grouped()
    assert not ErrorGroup.objects.exists()

    assert [group.attempts for group in grouped()] == [1]
    assert ErrorGroupHit.objects.get().attempts == 1


def test_what_failed_before_monitoring_was_installed_is_grouped_too() -> None:
    fail()
    assert [group.attempts for group in grouped()] == [1]


def test_lost_deliveries_are_counted_and_released_runs_are_not() -> None:
    fail("its worker was lost", outcome=AttemptOutcome.LOST, work="kitchen.cook")
    fail("its worker was lost", outcome=AttemptOutcome.LOST, work="kitchen.serve")
    fail("its worker was stopped", outcome=AttemptOutcome.RELEASED)

    cook, serve = grouped()

    assert (cook.exception, cook.message, cook.frame) == ("Lost", "", "kitchen.cook")
    assert serve.frame == "kitchen.serve"


def test_claiming_and_settling_do_nothing_for_groups() -> None:
    """What a failed attempt costs is the ledger's own: groups read it when it has committed."""
    run = make_run(RunState.RUNNING)
    error = ValueError("order 1 is unknown")
    outcome = failed(run, error, None, NOON, Clock(NOON))
    with CaptureQueriesContext(connection) as queries:
        settle([outcome])
    assert [each["sql"] for each in queries if "neural_tasktry" in each["sql"]]
    tables = (ErrorGroup, ErrorGroupHit, ErrorGroupHour, FailedRun)
    written = [
        each["sql"] for each in queries for table in tables if table._meta.db_table in each["sql"]
    ]
    assert written == []
    assert [group.attempts for group in grouped()] == [1]


# The trend, and what is hit


def test_a_group_has_its_trend_by_hour_and_what_it_hits() -> None:
    for hours, store, work in [(0, "S1", "a"), (0, "S2", "a"), (2, "S1", "b"), (30, None, "a")]:
        fail(at=NOON - hours * HOUR, store=store, work=work)
    (group,) = grouped()

    (figures,) = figures_of([group], None, now=NOON + HOUR / 2)

    assert figures.trend == [*[0] * 21, 1, 0, 2]
    assert (figures.attempts_of_day, figures.attempts) == (3, 4)
    assert (figures.stores, figures.works) == (3, 2)  # the third: runs without a store
    assert (figures.first_at, figures.last_at) == (NOON - 30 * HOUR, NOON)


def test_a_trend_is_read_from_one_row_an_hour_however_many_stores_fail() -> None:
    for store in range(30):
        fail(at=NOON, store=f"S{store}")
    (group,) = grouped()

    with CaptureQueriesContext(connection) as queries:
        trend = trends_of([group.pk], None, now=NOON)[group.pk]

    assert trend[-1] == 30
    assert len(queries) == 1
    assert ErrorGroupHour.objects.filter(group=group, work="", store_code="").count() == 1


# The life of a group


def test_a_resolved_group_is_opened_only_by_an_attempt_that_began_later() -> None:
    fail(at=NOON)
    (group,) = grouped()
    ErrorGroup.objects.update(state=ErrorGroupState.RESOLVED, resolved_at=NOON + HOUR)

    fail(began=NOON + HOUR / 2, at=NOON + 2 * HOUR)
    assert grouped()[0].state == ErrorGroupState.RESOLVED

    fail(began=NOON + HOUR + HOUR / 2, at=NOON + 2 * HOUR)
    (group,) = grouped(now=NOON + 3 * HOUR)
    assert (group.state, group.reopened_at) == (ErrorGroupState.OPEN, NOON + 3 * HOUR)
    assert group.attempts == 3


def test_a_muted_group_counts_on_and_is_open_again_when_its_time_is_over() -> None:
    fail()
    grouped()
    ErrorGroup.objects.update(state=ErrorGroupState.MUTED, muted_until=NOON)
    fail()
    assert [(group.state, group.attempts) for group in grouped()] == [("muted", 2)]
    assert open_count() == 0

    end_mutes(now=NOON - HOUR)
    assert open_count() == 0
    end_mutes(now=NOON)
    assert open_count() == 1


def test_sentry_hears_of_new_and_reopened_groups_once_and_not_of_old_news(
    monkeypatch: Any,
) -> None:
    heard: list[Any] = []
    monkeypatch.setattr(
        folding, "report", lambda groups: heard.extend((each.frame, each.state) for each in groups)
    )
    cold = ("kitchen.orders.find_cold", "open")
    fail("order 1 is late", at=NOON - 3 * HOUR)
    fail("order 1 is cold", at=NOON)
    grouped(now=NOON)
    fail("order 2 is cold", at=NOON)
    grouped(now=NOON)
    assert heard == [cold]

    ErrorGroup.objects.update(state=ErrorGroupState.RESOLVED, resolved_at=NOON)
    fail("order 3 is cold", at=NOON + HOUR)
    grouped(now=NOON + HOUR)
    assert heard == [cold] * 2


# Runs of a group


def test_a_run_belongs_to_the_group_of_its_last_failed_attempt() -> None:
    run = make_run(RunState.PENDING)
    fail("order 1 is unknown", run=run)
    fail("order 1 is closed", run=run)
    _, closed = grouped()

    row = FailedRun.objects.get(run_id=run.pk)
    assert row.group == closed
    assert row.attempt_id == TaskAttempt.objects.order_by("-pk").values_list("pk", flat=True)[0]


def test_dead_runs_are_those_that_are_dead_now() -> None:
    retried, waiting, dead = fail().run, fail(state=RunState.PENDING).run, fail().run
    (group,) = grouped()
    assert set(dead_runs(group.pk, None)) == {retried, dead}

    retried.retry()
    assert set(dead_runs(group.pk, None)) == {dead}
    assert waiting not in dead_runs(group.pk, None)


def test_few_dead_runs_are_counted_as_they_are_now_and_many_as_they_were_noted(
    monkeypatch: Any,
) -> None:
    retried, *_ = [fail().run for _ in range(3)]
    group = grouped()
    retried.retry()

    assert [each.dead for each in figures_of(group, None)] == [2]
    monkeypatch.setattr(groups, "FEW_DEAD", 2)
    with CaptureQueriesContext(connection) as asked:
        assert [each.dead for each in figures_of(group, None)] == [3]
    assert not [each for each in asked if '"neural_taskrun"' in each["sql"]]


def test_relays_note_which_runs_are_no_longer_dead(monkeypatch: Any) -> None:
    monkeypatch.setattr(grouping, "MOST_SWEPT", 2)
    runs = [fail().run for _ in range(5)]
    grouped()
    TaskRun.objects.filter(pk__in=[run.pk for run in runs[:4]]).retry()

    place = 0
    for _ in range(3):
        place = sweep(after=place)

    assert list(FailedRun.objects.filter(dead=True).values_list("pk", flat=True)) == [runs[4].pk]
    assert place == 0


# What it costs


def test_ten_thousand_failures_do_not_stall_a_relay() -> None:
    """A turn reads a bounded number of attempts in a bounded number of statements."""
    run = make_run(RunState.PENDING)
    template = fail("order 1 is unknown", run=run)
    TaskAttempt.objects.bulk_create(
        TaskAttempt(
            run=run,
            outcome=template.outcome,
            started_at=NOON,
            finished_at=NOON,
            error=template.error,
            traceback=template.traceback,
            exception_facts=template.exception_facts,
        )
        for _ in range(2500)
    )
    statements = []
    for _ in range(20):  # more than it needs: other tests' transactions may hold it up for a turn
        with CaptureQueriesContext(connection) as turn:
            has_read = group_failures(now=NOON)
        statements.append(len(turn))
        if not has_read:
            break

    grouped()
    assert ErrorGroup.objects.get().attempts == 2501
    assert max(statements) < 50  # of 500 attempts


def test_a_duty_paces_itself_and_goes_on_at_once_while_there_is_more(
    monkeypatch: Any, time_that: Any
) -> None:
    turns: list[bool] = []
    more = [True, False, False]
    monkeypatch.setattr(
        grouping, "group_failures", lambda *, now: turns.append(True) or more[len(turns) - 1]
    )
    duty = Grouping()
    for _ in range(4):
        duty()
        time_that.passes(1)
    assert len(turns) == 2
    time_that.passes(10)
    duty()
    assert len(turns) == 3


def test_every_relay_has_the_duty() -> None:
    assert isinstance(dict(DUTIES.items())["error groups"], Grouping)


def test_an_idle_turn_writes_nothing() -> None:
    fail()
    grouped()
    with CaptureQueriesContext(connection) as queries:
        group_failures(now=NOON)
        end_mutes(now=NOON)
        sweep(after=0)
    assert not [each for each in queries if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


# Pruning


def test_groups_without_failures_for_long_are_deleted_with_all_that_belongs_to_them() -> None:
    now = timezone.now()
    fail("order 1 is unknown", at=now - dt.timedelta(days=91), state=RunState.SUCCEEDED)
    fail("order 1 is closed", at=now - dt.timedelta(days=89), state=RunState.SUCCEEDED)
    fail("order 1 is dead", at=now - dt.timedelta(days=91), state=RunState.DEAD)
    grouped()

    assert prune_old(OLD_GROUPS, now=now) == 1

    assert set(ErrorGroup.objects.values_list("frame", flat=True)) == {
        "kitchen.orders.find_closed",
        "kitchen.orders.find_dead",
    }
    assert FailedRun.objects.count() == 2
    assert ErrorGroupHit.objects.count() == 2


def test_hours_and_links_to_runs_are_deleted_when_they_are_old() -> None:
    now = timezone.now()
    fail(at=now - dt.timedelta(days=91), state=RunState.SUCCEEDED)
    fail(at=now - dt.timedelta(days=91), state=RunState.DEAD)
    fail(at=now, state=RunState.SUCCEEDED)
    grouped()

    assert prune_old(OLD_HOURS, now=now) == 2
    assert prune_old(OLD_RUNS, now=now) == 1
    assert FailedRun.objects.count() == 2
    assert ErrorGroup.objects.get().attempts == 3
