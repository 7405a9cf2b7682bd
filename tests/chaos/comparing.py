"""What is compared at the end of a chaos run: everything that is kept twice says the same."""

from collections import Counter

from django.db import connection

from neural.hooks.models import Delivery, DeliveryState
from neural.ledger.record import BY_MESSAGE
from neural.models import (
    AttemptOutcome,
    BulkAction,
    BulkActionItem,
    NeuralEvent,
    RunState,
    TaskAttempt,
    TaskRun,
)
from neural.monitoring.models import TotalFigures
from neural.retrieval.index.active import active_index
from neural.retrieval.models import SearchRow, StoredVector
from tests.chaos.acts import OLD_TASK
from tests.chaos.calls import MARK
from tests.integration.cluster import database_is_writable
from tests.probe.models import Counter as Effects
from tests.probe.models import Effect
from tests.unit.monitoring.figures import fold_all, in_ledger, in_tables
from tests.watching import wait_until

TOLD = "probe.new_type"
"""The type that a webhook tells of."""


def of_events():
    """Others are dead letters of forged messages, and the work of acts and of search."""
    return TaskRun.objects.filter(event__isnull=False)


def forged_messages():
    return TaskRun.objects.filter(event=None, requested_by=BY_MESSAGE)


def compare_effects(accepted: list[str], acts: Counter[str]) -> None:
    """By counters that are not idempotent."""
    recorded = set(NeuralEvent.objects.values_list("event_id", flat=True))
    called = {key for key in accepted if MARK in key}
    assert set(accepted) <= recorded | called, "accepted, but not recorded"

    runs = dict(of_events().values_list("event__event_id", "state"))
    assert set(runs) == recorded
    dead = {key for key, state in runs.items() if state == RunState.DEAD}
    permanent = NeuralEvent.objects.filter(payload__permanent=True)
    assert dead == set(permanent.values_list("event_id", flat=True)), "dead for no stated reason"
    for run in of_events().dead():
        assert "NeverAgain" in run.error
    # A person who retries a dead letter may repair it: what was wrong may be the message alone.
    kept = [RunState.DEAD, *([RunState.SUCCEEDED] if acts["retry_what_is_dead"] else [])]
    done = forged_messages().exclude(state__in=kept).values_list("task", "state", "task_id")
    assert not done.exists(), f"a forged message was done: {list(done)}"
    repaired = forged_messages().filter(state=RunState.SUCCEEDED).count()
    others = TaskRun.objects.dead().filter(event=None).exclude(requested_by=BY_MESSAGE)
    assert not others.exists(), list(others.values_list("task", "error"))
    assert not NeuralEvent.objects.filter(payload__has_key="deep").exists()

    expected = dict.fromkeys((recorded - dead) | called, 1)
    counts = dict(Effect.counts())
    lost = sorted(set(expected) - set(counts))
    doubled = sorted(key for key, times in counts.items() if times > 1)
    assert not lost, lost[:20]
    assert not doubled, doubled[:20]
    others = {key: times for key, times in counts.items() if key not in expected}
    assert len([key for key in others if MARK not in key]) <= repaired  # calls that were cut off
    assert counts == {**expected, **others}
    assert Effects.read("all") == len(counts)


def compare_results() -> None:
    """What a run answered is from the process that had it last: one that was frozen for too long
    has changed nothing, neither the run nor its figures (:func:`compare_figures`)."""
    answered = of_events().filter(event__payload__result="process", state=RunState.SUCCEEDED)
    for run in answered:
        assert run.result == str(run.process_id), f"{run}: by another process than had it last"


def compare_attempts() -> None:
    """Each failure and each loss that a run counts has its row. (A person's retry of a dead run
    begins to count anew.)"""
    rows = Counter(TaskAttempt.objects.values_list("run", "outcome"))
    for pk, failures, losses in (
        of_events().exclude(state=RunState.DEAD).values_list("pk", "failures", "losses")
    ):
        kept = rows[pk, AttemptOutcome.FAILED], rows[pk, AttemptOutcome.LOST]
        run = TaskRun.objects.get(pk=pk) if kept != (failures, losses) else None
        assert run is None, f"{run}: rows {kept}, counted {(failures, losses)}, {run.error}"


def compare_figures() -> None:
    """A run that was dead and retried counts as dead twice."""
    fold_all()
    works = set(of_events().values_list("handler", flat=True))

    def chosen(found: Counter) -> Counter:
        return Counter({key: number for key, number in found.items() if key[1] in works})

    ledger = Counter()
    for (_, *key), number in in_ledger().items():
        ledger[tuple(key)] += number
    figures, ledger = chosen(in_tables(TotalFigures, "queue", "work")), chosen(ledger)
    for found in (figures, ledger):
        for key in [key for key in found if key[-1] == "dead"]:
            del found[key]
    assert figures == ledger, (figures - ledger, ledger - figures)


def compare_index() -> None:
    """Each event is in the index once, whoever was killed while it was written or rebuilt."""
    found = active_index("events")
    assert found is not None
    keys = Counter(
        f"{store}/{pk}" for pk, store in NeuralEvent.objects.values_list("pk", "store_id")
    )
    rows = Counter(SearchRow.objects.filter(index=found.index).values_list("key", flat=True))
    assert rows == keys, (rows - keys, keys - rows)
    vectors = StoredVector.objects.filter(column__table=found.index.table)
    assert set(vectors.values_list("key", flat=True)) <= set(keys)


def compare_webhooks(received: list[str]) -> None:
    """Each event of the type that is told was delivered: once by our count, once at least there."""
    events = NeuralEvent.objects.filter(type=TOLD)
    told = Counter(Delivery.objects.values_list("event", flat=True))
    assert told == Counter(events.values_list("pk", flat=True))
    assert not Delivery.objects.exclude(state=DeliveryState.DELIVERED).exists()
    assert set(received) == set(events.values_list("event_id", flat=True))


def compare_bulk_actions() -> None:
    """Each action has ended, and has one outcome for each run that it counts."""
    for action in BulkAction.objects.all():
        assert action.state == "finished", action.stop_reason
        items = Counter(
            BulkActionItem.objects.filter(action=action).values_list("run_id", flat=True)
        )
        assert action.done == items.total() == len(items)


def compare_pruned(chaos_done: Counter) -> None:
    """What was old has gone, if pruning was asked for; that nothing else has, effects show."""
    if chaos_done["prune_what_is_old"]:
        assert not TaskRun.objects.filter(task=OLD_TASK).exists()


def compare_schedule() -> None:
    """What beat asked for was done."""
    asked = TaskRun.objects.filter(task="probe.give_back")
    assert set(asked.values_list("state", flat=True)) == {RunState.SUCCEEDED}


def no_lock_is_left() -> None:
    """Whoever was killed or frozen holds nothing in the database."""
    wait_until(database_is_writable, 60)
    if connection.vendor == "postgresql":
        wait_until(lambda: not _who_hold_locks(), 60)


def _who_hold_locks() -> int:
    """Transactions of others that wait for their client and hold a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%' "
            "AND now() - state_change > interval '2 s'"
        )
        return cursor.fetchone()[0]
