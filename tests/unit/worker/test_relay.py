"""The relay: what is unpublished gets one, what was lost starts again."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.models import RunState, TaskRun
from neural.worker import relay
from tests.unit.factories import ago, held, make_run, make_worker

pytestmark = pytest.mark.django_db


def unpublished(**fields):
    return make_run(**{"handler": "probe.count", "publish_at": ago(seconds=5), **fields})


# Publishing


def test_what_is_unpublished_gets_one_and_is_not_owed_another_for_a_while(fake_broker):
    run = unpublished()

    assert relay.publish_unpublished(fake_broker) == 1
    assert relay.publish_unpublished(fake_broker) == 0

    (message,) = fake_broker.sent
    assert message.task_id == run.task_id
    run.refresh_from_db()
    assert 50 < (run.publish_at - timezone.now()).total_seconds() < 61


def test_a_message_that_was_lost_is_sent_again_when_its_lease_is_over(fake_broker):
    unpublished()

    relay.publish_unpublished(fake_broker)
    TaskRun.objects.update(publish_at=ago(seconds=1))
    relay.publish_unpublished(fake_broker)

    assert len(fake_broker.sent) == 2


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.PENDING])
def test_only_pending_runs_are_unpublished(fake_broker, state):
    unpublished(state=state)

    assert relay.publish_unpublished(fake_broker) == 0


def test_what_is_due_later_gets_no_message_now(fake_broker):
    later = timezone.now() + dt.timedelta(hours=1)
    unpublished(publish_at=later, available_at=later)

    assert relay.publish_unpublished(fake_broker) == 0


def test_a_long_queue_is_left_alone_and_the_others_are_not(fake_broker, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    full, free = unpublished(queue="low_priority"), unpublished(queue="default")
    fake_broker.waiting = {"low_priority": 11}

    assert relay.publish_unpublished(fake_broker) == 1

    assert [message.task_id for message in fake_broker.sent] == [free.task_id]
    assert TaskRun.objects.unpublished().get() == full


def test_a_queue_is_filled_to_its_limit_only(fake_broker, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    for _ in range(20):
        unpublished(handler="two_step")
    fake_broker.waiting = {"default": 4}

    relay.publish_unpublished(fake_broker)

    assert len(fake_broker.sent) == 6


def test_with_the_broker_away_nothing_is_touched(fake_broker):
    run = unpublished()
    fake_broker.away = True

    assert relay.publish_unpublished(fake_broker) == 0

    assert TaskRun.objects.get().publish_at == run.publish_at


def test_what_could_not_be_sent_is_unpublished_again(fake_broker, monkeypatch):
    unpublished()
    monkeypatch.setattr(fake_broker, "depths", lambda queues: dict.fromkeys(queues, 0))
    fake_broker.away = True

    assert relay.publish_unpublished(fake_broker) == 0

    assert TaskRun.objects.unpublished().count() == 1


# Both


def test_release_all_returns_what_a_stopping_worker_holds():
    worker, other = make_worker(), make_worker("other@host")
    mine, theirs = held(worker), held(other)

    assert relay.release_all(worker) == 1

    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {mine.pk: "pending", theirs.pk: "running"}
    assert set(TaskRun.objects.values_list("losses", flat=True)) == {0}


def test_one_turn_watches_who_seems_silent_and_does_all_of_it(fake_broker, time_that):
    held(make_worker(heartbeat_at=ago(minutes=5)))
    unpublished()

    report = relay.relay_once()

    assert (report.published, report.lost, report.workers_given_up) == (2, 1, 1)
