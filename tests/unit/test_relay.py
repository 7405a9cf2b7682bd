"""The relay: what is owed a message gets one, what was lost starts again."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.models import RunState, TaskRun
from neural.worker import relay
from tests.unit.ledger import ago, held, make_run, make_worker

pytestmark = pytest.mark.django_db


def owed(**fields):
    return make_run(**{"handler": "probe.count", "publish_at": ago(seconds=5), **fields})


# Publishing


def test_what_is_owed_a_message_gets_one_and_is_not_owed_another_for_a_while(rung):
    run = owed()

    assert relay.publish_owed(rung) == 1
    assert relay.publish_owed(rung) == 0

    (ring,) = rung.sent
    assert ring.task_id == run.task_id
    run.refresh_from_db()
    assert 50 < (run.publish_at - timezone.now()).total_seconds() < 61


def test_a_message_that_was_lost_is_sent_again_when_its_lease_is_over(rung):
    owed()

    relay.publish_owed(rung)
    TaskRun.objects.update(publish_at=ago(seconds=1))
    relay.publish_owed(rung)

    assert len(rung.sent) == 2


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.PENDING])
def test_only_pending_runs_are_owed_a_message(rung, state):
    owed(state=state)

    assert relay.publish_owed(rung) == 0


def test_what_is_due_later_is_owed_nothing_now(rung):
    later = timezone.now() + dt.timedelta(hours=1)
    owed(publish_at=later, available_at=later)

    assert relay.publish_owed(rung) == 0


def test_a_long_queue_is_left_alone_and_the_others_are_not(rung, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    full, free = owed(queue="low_priority"), owed(queue="default")
    rung.waiting = {"low_priority": 11}

    assert relay.publish_owed(rung) == 1

    assert [ring.task_id for ring in rung.sent] == [free.task_id]
    assert TaskRun.objects.unpublished().get() == full


def test_a_queue_is_filled_to_its_limit_only(rung, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    for _ in range(20):
        owed(handler="two_step")
    rung.waiting = {"default": 4}

    relay.publish_owed(rung)

    assert len(rung.sent) == 6


def test_with_the_broker_away_nothing_is_touched(rung):
    run = owed()
    rung.away = True

    assert relay.publish_owed(rung) == 0

    assert TaskRun.objects.get().publish_at == run.publish_at


def test_what_could_not_be_sent_is_owed_again(rung, monkeypatch):
    owed()
    monkeypatch.setattr(rung, "depths", lambda queues: dict.fromkeys(queues, 0))
    rung.away = True

    assert relay.publish_owed(rung) == 0

    assert TaskRun.objects.unpublished().count() == 1


# Both


def test_hand_back_all_returns_what_a_stopping_worker_holds():
    worker, other = make_worker(), make_worker("other@host")
    mine, theirs = held(worker), held(other)

    assert relay.hand_back_all(worker) == 1

    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {mine.pk: "pending", theirs.pk: "running"}
    assert set(TaskRun.objects.values_list("losses", flat=True)) == {0}


def test_one_turn_watches_who_seems_silent_and_does_all_of_it(rung, time_that):
    held(make_worker(heartbeat_at=ago(minutes=5)))
    owed()

    report = relay.relay_once()

    assert (report.published, report.lost, report.workers_given_up) == (2, 1, 1)
