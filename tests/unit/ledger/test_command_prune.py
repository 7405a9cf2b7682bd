"""`manage.py prune`: what is finished and old goes; what somebody may need stays."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

import neural
from neural.forecasting.models import Forecast
from neural.ledger.prune import Retention, Step, prune_runs
from neural.models import (
    AttemptOutcome,
    AuditEntry,
    NeuralEvent,
    RunState,
    TaskAttempt,
    TaskRun,
    WorkerProcess,
)
from tests.unit.factories import ago, make_event, make_run, make_store, make_worker
from tests.unit.side_by_side import on_postgresql, while_uncommitted

pytestmark = pytest.mark.django_db

OLD = {"created_at": ago(days=400), "finished_at": ago(days=399)}
OPEN = [RunState.PENDING, RunState.RUNNING]


@pytest.fixture
def prune(capsys):
    """Run the command; what it says."""

    def prune(*arguments: str) -> str:
        call_command("prune", *arguments)
        return capsys.readouterr().out

    return prune


def old_run(state: RunState, **fields) -> TaskRun:
    times = {"created_at": ago(days=400)}
    if state not in OPEN:
        times["finished_at"] = ago(days=399)
    return make_run(state, **(times | fields))


def remaining() -> set[str]:
    return set(TaskRun.objects.values_list("state", flat=True))


def test_old_finished_runs_go_and_dead_waiting_and_running_ones_stay(prune):
    for state in RunState:
        old_run(state)

    said = prune()

    assert remaining() == {"pending", "running", "dead"}
    assert "1 succeeded runs older than 30 days deleted." in said


def test_their_attempts_go_with_them(prune):
    kept, gone = old_run(RunState.DEAD), old_run(RunState.SUCCEEDED)
    for run in (kept, gone):
        TaskAttempt.objects.create(run=run, outcome=AttemptOutcome.FAILED, started_at=ago(days=400))

    prune()

    assert list(TaskAttempt.objects.values_list("run", flat=True)) == [kept.pk]


def test_what_goes_is_not_read_with_its_arguments_and_results():
    old_run(RunState.SUCCEEDED, result={"rows": 3})

    with CaptureQueriesContext(connection) as asked:
        prune_runs(now=ago(), keep=Retention.of_settings())

    assert remaining() == set()
    assert not [each["sql"] for each in asked if '"result"' in each["sql"]]


def test_each_state_is_kept_for_its_own_time(prune):
    for state in (RunState.SUCCEEDED, RunState.CANCELLED, RunState.DISCARDED):
        old_run(state, finished_at=ago(days=45))

    prune()

    assert remaining() == {"cancelled", "discarded"}


def test_what_is_young_stays_however_early_it_was_recorded(prune):
    old_run(RunState.SUCCEEDED, finished_at=ago(days=1))

    prune()

    assert remaining() == {"succeeded"}


def test_days_and_states_may_be_given(prune):
    for state in (RunState.SUCCEEDED, RunState.CANCELLED):
        old_run(state, finished_at=ago(days=8))

    prune("--days", "7", "--state", "cancelled")

    assert remaining() == {"succeeded"}


def test_dead_runs_go_when_they_are_named_with_an_age(prune):
    old_run(RunState.DEAD)

    with pytest.raises(CommandError, match="needs --days") as refusal:
        prune("--state", "dead")
    prune("--state", "dead", "--days", "365")

    assert refusal.value.returncode == 2
    assert remaining() == set()


@pytest.mark.parametrize("state", OPEN)
def test_runs_that_are_not_finished_cannot_be_asked_for(state):
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("prune", "--state", state)
    with pytest.raises(ValueError, match="never pruned"):
        prune_runs(now=ago(), keep=Retention(states={state: 0}))


@pytest.mark.parametrize("days", ["-1", "nan", "99999999999"])
def test_an_age_that_is_none_is_refused_and_nothing_is_recorded(days):
    with pytest.raises(CommandError, match="--days: 0 to 36,500") as refused:
        call_command("prune", f"--days={days}")

    assert refused.value.returncode == 2
    assert not AuditEntry.objects.exists()


def test_a_dry_run_counts_and_changes_nothing(prune):
    old_run(RunState.SUCCEEDED)
    make_event(recorded_at=ago(days=400))
    make_worker(stopped_at=ago(days=500))

    said = prune("--dry-run", "--payloads")

    assert "1 succeeded runs older than 30 days would be deleted." in said
    assert "1 payloads of events older than 90 days would be emptied." in said
    assert "1 workers that no run names would be deleted." in said
    assert TaskRun.objects.exists()
    assert WorkerProcess.objects.exists()
    assert NeuralEvent.objects.get().pruned_at is None


def test_rows_are_walked_by_key_and_the_walk_ends_where_rows_are_young(monkeypatch):
    monkeypatch.setattr("neural.ledger.prune.CHUNK", 2)
    for _ in range(5):
        old_run(RunState.SUCCEEDED)
    for _ in range(6):
        make_run(RunState.SUCCEEDED)
    steps: list[Step] = []

    pruned = prune_runs(
        now=ago(), keep=Retention(states={RunState.SUCCEEDED: 30}), on_progress=steps.append
    )

    assert pruned == {RunState.SUCCEEDED: 5}
    assert TaskRun.objects.count() == 6
    assert len(steps) == 3


def test_the_oldest_gap_of_keys_costs_no_progress(monkeypatch):
    first = old_run(RunState.SUCCEEDED, pk=1_000_000)
    steps: list[Step] = []

    prune_runs(now=ago(), keep=Retention(states={RunState.SUCCEEDED: 30}), on_progress=steps.append)

    assert not TaskRun.objects.filter(pk=first.pk).exists()
    assert [step.keys for step in steps] == [1]


def test_payloads_of_old_events_are_emptied_and_their_keys_stay(prune):
    event = make_event(recorded_at=ago(days=100))
    make_run(RunState.SUCCEEDED, event=event, handler="app.orders")

    said = prune("--payloads")

    event.refresh_from_db()
    assert event.payload is None
    assert event.pruned_at is not None
    assert event.content_hash == "0" * 32
    assert "1 payloads of events older than 90 days emptied." in said


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_an_event_whose_run_is_being_retried_keeps_its_payload(prune):
    event = make_event(recorded_at=ago(days=100))
    run = make_run(RunState.CANCELLED, event=event, handler="app.orders")

    while_uncommitted(run.retry, lambda: prune("--payloads"))

    event.refresh_from_db()
    assert event.payload is not None


def test_without_being_asked_no_payload_is_touched(prune):
    make_event(recorded_at=ago(days=1000))

    prune()

    assert NeuralEvent.objects.get().pruned_at is None


@pytest.mark.parametrize("state", [*OPEN, RunState.DEAD])
def test_an_event_that_a_run_may_still_need_keeps_its_payload(prune, state):
    event = make_event(recorded_at=ago(days=100))
    make_run(RunState.SUCCEEDED, event=event, handler="done")
    make_run(state, event=event, handler="open")

    prune("--payloads")

    assert NeuralEvent.objects.get().payload is not None


def test_an_event_that_nobody_handled_yet_keeps_its_payload_for_a_replay(prune):
    make_event(recorded_at=ago(days=100), unhandled=True)

    prune("--payloads")

    assert NeuralEvent.objects.get().payload is not None


def test_a_young_event_keeps_its_payload(prune):
    make_event(recorded_at=ago(days=10))

    prune("--payloads")
    prune("--payloads", "--days", "20")

    assert NeuralEvent.objects.get().payload is not None


def test_a_pruned_event_sent_again_is_still_a_duplicate_and_a_changed_one_a_conflict(prune):
    sent = {"type": "inventory.updated", "store": "S01", "source": "pos", "event_id": "1"}
    neural.submit(**sent, payload={"item": "flour", "level": 3})
    TaskRun.objects.update(state=RunState.SUCCEEDED, finished_at=ago(days=100))
    for rows, made in ((TaskRun, "created_at"), (NeuralEvent, "recorded_at")):
        rows.objects.update(**{made: ago(days=100)})
    prune("--payloads")
    assert NeuralEvent.objects.get().payload is None

    again = neural.submit(**sent, payload={"level": 3, "item": "flour"})
    changed = neural.submit(**sent, payload={"item": "flour", "level": 4})

    assert again.is_duplicate
    assert changed.is_refused
    assert "conflict" in str(changed.problems[0])
    assert not TaskRun.objects.exists()


def test_workers_that_no_run_can_name_go(prune):
    worker = make_worker("named", stopped_at=ago(days=3))
    make_run(RunState.DEAD, worker=worker, created_at=ago(days=4))
    make_worker("older than every run, stopped", stopped_at=ago(days=5))
    make_worker("older than every run, lost", lost_at=ago(days=5))
    make_worker("alive")

    prune()

    assert set(WorkerProcess.objects.values_list("name", flat=True)) == {"named", "alive"}


def test_a_worker_that_was_lost_just_now_may_wake_up_and_stays(prune):
    make_worker("asleep", lost_at=ago(hours=1))

    prune()

    assert WorkerProcess.objects.exists()


def test_forecasts_go_after_400_days(prune):
    store = make_store()
    flat = {name: [1.0] * 14 for name in ("mean", "p10", "p50", "p90")}
    for number, days in enumerate((401, 399)):
        Forecast.objects.create(
            store=store, dish=str(number), made_on=ago(days=days), made_at=ago(days=days), **flat
        )

    assert "1 forecasts older than 400 days would be deleted." in prune("--dry-run")
    assert "1 forecasts older than 400 days deleted." in prune()

    assert Forecast.objects.get().dish == "1"
