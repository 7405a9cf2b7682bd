"""A paused queue: what is submitted waits, nothing starts, and its end is felt within seconds."""

import datetime as dt
import logging
import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from neural.kit.conf import conf
from neural.ledger.claim import Claimant, claim
from neural.models import QueuePause, RunState, TaskRun
from neural.queues import pausing
from neural.queues.pausing import PauseRefused, finish_ended_pauses, pause, pauses, resume
from neural.worker import relay
from neural.worker.in_process import run_due
from tests.unit.factories import ago, make_run
from tests.watching import wait_until

pytestmark = pytest.mark.django_db

BATCHABLE = ("probe.count",)
needs_many_writers = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def soon(**span):
    return timezone.now() + dt.timedelta(**span)


def due_run(**fields):
    return make_run(**{"handler": "probe.count", "available_at": ago(seconds=5), **fields})


def take(own, *, queue="default", **options):
    return claim(
        **{
            "task_id": own.task_id,
            "claimant": Claimant(None, 77),
            "queue": queue,
            "batchable": BATCHABLE,
            "limit": 50,
            **options,
        }
    )


def stop_for_repairs(queue="default", **options):
    return pause(queue=queue, reason="repairs", by="lee", **options)


class Deaf:
    """A publisher that notes what it is given."""

    def __init__(self):
        self.sent = []

    def depths(self, queues):
        return dict.fromkeys(queues, 0)

    def publish(self, messages):
        self.sent += [message.queue for message in messages]
        return len(self.sent)


# Claims


@pytest.mark.parametrize("options", [{}, {"batchable": (), "limit": 1}])
def test_nothing_of_a_paused_queue_is_claimed_until_it_is_resumed(options):
    waiting = due_run()
    stop_for_repairs()

    assert take(waiting, **options) == []

    resume(queue="default", by="lee")
    assert take(waiting, **options) == [waiting]


def test_other_queues_are_claimed_as_before():
    other = due_run(queue="high_priority")
    stop_for_repairs()

    assert take(other, queue="high_priority") == [other]


def test_nothing_of_a_paused_queue_is_batched_with_a_message_of_another_queue():
    """A message may come by a queue that its run does not name."""
    own = due_run(queue="high_priority")
    due_run()
    stop_for_repairs()

    assert take(own, queue="default") == [own]


def test_a_message_whose_own_run_is_on_a_paused_queue_still_leads_to_what_is_due_elsewhere():
    own, other = due_run(), due_run(queue="high_priority")
    stop_for_repairs()

    assert take(own, queue="high_priority") == [other]


def test_a_pause_with_an_end_ends_by_itself():
    waiting = due_run()
    stop_for_repairs(until=soon(minutes=10))

    assert take(waiting, now=soon(minutes=9)) == []
    assert take(waiting, now=soon(minutes=11)) == [waiting]


def test_what_has_started_goes_on():
    started = make_run(RunState.RUNNING, worker=None)
    stop_for_repairs()

    assert list(TaskRun.objects.running()) == [started]


def test_run_due_leaves_the_runs_of_a_paused_queue_and_ends():
    waiting = due_run()
    stop_for_repairs()

    assert run_due() == []
    waiting.refresh_from_db()
    assert waiting.state == RunState.PENDING


@pytest.mark.django_db(transaction=True)
@needs_many_writers
def test_pausing_waits_for_claims_that_began_before_it(monkeypatch):
    """Such a claim cannot see the pause; once pausing is done, none commits any more."""
    monkeypatch.setattr(pausing, "CLAIMS_END_SECONDS", 60)  # however late this thread looks
    waiting, paused = due_run(), threading.Event()

    def stop():
        try:
            stop_for_repairs()
            paused.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=stop)
    with transaction.atomic():
        assert take(waiting) == [waiting]
        thread.start()
        wait_until(lambda: QueuePause.objects.exists())
        assert not paused.wait(0.3)
    thread.join()

    assert paused.is_set()


@pytest.mark.django_db(transaction=True)
@needs_many_writers
def test_pausing_waits_for_no_transaction_that_only_reads_or_only_works():
    began = threading.Event()
    done = threading.Event()

    def hold():
        try:
            with transaction.atomic():
                list(QueuePause.objects.all())  # such as a dump of the whole database
                began.set()
                done.wait(60)
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait(60)
    try:
        stop_for_repairs()
        assert thread.is_alive()
    finally:
        done.set()
        thread.join()


# The relay


def test_relays_publish_nothing_for_a_paused_queue():
    due_run(publish_at=ago(seconds=1))
    due_run(queue="high_priority", publish_at=ago(seconds=1))
    stop_for_repairs()

    relay.publish_unpublished(publisher := Deaf())

    assert publisher.sent == ["high_priority"]


def test_after_the_end_a_relay_publishes_what_was_dropped_during_the_pause():
    lease = dt.timedelta(seconds=conf().republish_lease_seconds)
    dropped = due_run(publish_at=soon(seconds=30))
    stop_for_repairs()
    resume(queue="default", by="lee")

    finish_ended_pauses()
    relay.publish_unpublished(publisher := Deaf())

    assert publisher.sent == ["default"]
    dropped.refresh_from_db()
    assert dropped.publish_at > timezone.now() + lease / 2
    assert not QueuePause.objects.exists()


def test_so_it_does_after_a_pause_that_ended_by_itself():
    dropped = due_run(created_at=ago(minutes=1), publish_at=soon(seconds=30))
    stop_for_repairs(until=soon(hours=1))
    finish_ended_pauses()
    assert QueuePause.objects.exists()

    QueuePause.objects.update(until=ago(seconds=1))
    finish_ended_pauses()

    dropped.refresh_from_db()
    assert dropped.publish_at <= soon(seconds=1)
    assert not QueuePause.objects.exists()


def test_what_was_dropped_is_published_in_portions(monkeypatch):
    monkeypatch.setattr(pausing, "RUNS_A_TURN", 2)
    for _ in range(3):
        due_run(publish_at=soon(seconds=30))
    stop_for_repairs()
    resume(queue="default", by="lee")

    finish_ended_pauses()
    assert TaskRun.objects.unpublished().count() == 2
    finish_ended_pauses()

    assert TaskRun.objects.unpublished().count() == 3
    assert not QueuePause.objects.exists()


def test_runs_that_are_not_due_and_messages_sent_since_the_end_are_left_alone():
    retried = due_run(available_at=soon(seconds=40), publish_at=soon(seconds=40))
    elsewhere = due_run(queue="high_priority", publish_at=soon(seconds=30))
    stop_for_repairs()
    QueuePause.objects.update(until=ago(seconds=30))
    sent = due_run(created_at=ago(minutes=5), publish_at=soon(seconds=50))
    submitted = due_run(publish_at=soon(seconds=15))

    finish_ended_pauses()

    for run in (retried, elsewhere, sent, submitted):
        before = run.publish_at
        run.refresh_from_db()
        assert abs(run.publish_at - before) < dt.timedelta(seconds=1)


def test_a_queue_that_is_paused_again_stays_paused():
    stop_for_repairs()
    resume(queue="default", by="lee")
    stop_for_repairs(until=soon(hours=1))

    finish_ended_pauses()

    assert pauses().get().reason == "repairs"


# The verbs


def test_a_pause_states_its_reason_who_asked_since_when_and_its_end():
    end = soon(hours=2)

    stop_for_repairs(until=end)

    row = pauses().get()
    assert (row.queue, row.reason, row.paused_by, row.until) == ("default", "repairs", "lee", end)
    assert abs((timezone.now() - row.since).total_seconds()) < 60


def test_pausing_a_paused_queue_changes_its_reason_and_end_and_not_since_when():
    stop_for_repairs()
    since = pauses().get().since

    pause(queue="default", reason="still repairs", by="kim", until=soon(hours=2))

    row = pauses().get()
    assert (row.reason, row.paused_by, row.since) == ("still repairs", "kim", since)


def test_pausing_anew_after_an_end_begins_anew():
    QueuePause.objects.create(
        queue="default", reason="old", paused_by="kim", since=ago(days=3), until=ago(days=2)
    )

    stop_for_repairs()

    assert pauses().get().since > ago(minutes=1)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"queue": "nosuch"}, "no queue 'nosuch'"),
        ({"reason": "  "}, "needs a reason"),
        ({"reason": "x" * 201}, "201 characters"),
        ({"until": ago(minutes=1)}, "has passed"),
    ],
)
def test_a_pause_that_cannot_be_meant_is_refused(options, why):
    with pytest.raises(PauseRefused, match=why):
        pause(**{"queue": "default", "reason": "repairs", "by": "lee", **options})

    assert not QueuePause.objects.exists()


def test_resuming_says_whether_the_queue_was_paused():
    assert resume(queue="default", by="lee") is False
    stop_for_repairs()
    assert resume(queue="default", by="lee") is True
    assert resume(queue="default", by="lee") is False


@pytest.mark.django_db(transaction=True)
def test_each_change_is_one_log_line(caplog):
    with caplog.at_level(logging.INFO, logger="neural.queues.pausing"):
        stop_for_repairs()
        resume(queue="default", by="kim")
        finish_ended_pauses()

    assert [record.getMessage() for record in caplog.records] == [
        "event=queue_paused queue=default by=lee until=resumed reason=repairs",
        "event=queue_resumed queue=default by=kim",
        "event=queue_pause_ended queue=default",
    ]


def test_looking_at_the_pauses_costs_a_claim_no_statement_of_its_own(django_assert_num_queries):
    waiting = due_run()

    with django_assert_num_queries(1):
        assert take(waiting) == [waiting]
