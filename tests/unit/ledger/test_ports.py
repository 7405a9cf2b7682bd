"""The ledger by itself: what it asks of others may be nobody's."""

import pytest
from django.db.models import QuerySet
from django.db.models.functions import Now

from neural.ledger import ports
from neural.ledger.claim import Claimant, claim
from neural.ledger.outcome import Outcome
from neural.ledger.record import enqueue
from neural.ledger.settle import mark_lost, settle
from neural.models import RunState, TaskRun
from neural.runs.models import run_ends
from neural.runs.models.run import Ended
from neural.worker import relay

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_itself(monkeypatch):
    """A ledger that nobody has connected anything to."""
    monkeypatch.setattr(ports, "announce", ports._left_to_the_relay)
    monkeypatch.setattr(ports, "has_queue", ports._every_queue)
    monkeypatch.setattr(run_ends, "_listeners", {})


@pytest.fixture
def ends(monkeypatch):
    """What the ledger tells a listener of runs that have ended."""
    heard = []

    def listen(ended):
        heard.extend((each.run.task_id, each.state, each.value) for each in ended)

    monkeypatch.setattr(run_ends, "_listeners", {"a listener": listen})
    return heard


def ask(**options):
    what = {"task": "probe.give_back", "args": [1], "kwargs": {}, "queue": "default"}
    return enqueue(**{**what, "priority": 5, **options})


def taken(run):
    (found,) = claim(task_id=run.task_id, claimant=Claimant())
    return found


def ended(run, **fields):
    times = {"started_at": run.started_at, "finished_at": run.started_at}
    return Outcome(run=run, **times, **fields)


def test_where_nobody_publishes_a_run_waits_for_a_relay(
    by_itself, fake_broker, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        run = ask()
    assert fake_broker.sent == []

    TaskRun.objects.filter(pk=run.pk).update(publish_at=Now())
    assert relay.publish_unpublished(fake_broker) == 1


def test_where_nobody_knows_queues_each_may_be_named(by_itself):
    assert ask(queue="of another broker").queue == "of another broker"


def test_where_nothing_follows_a_run_ends_all_the_same(by_itself):
    run = taken(ask(options={"link": [{"task": "probe.give_back"}]}))

    settle([ended(run, state=RunState.SUCCEEDED, value=1, result="1")])

    assert TaskRun.objects.get().state == RunState.SUCCEEDED


def test_a_listener_hears_of_every_run_that_has_ended_and_of_none_that_goes_on(ends):
    won, given_up, again = (taken(ask(options={"shadow": "x"})) for _ in range(3))

    settle([ended(won, state=RunState.SUCCEEDED, value={"a": 1}, result='{"a": 1}')])
    mark_lost([given_up], max_losses=1, why="its process died")
    mark_lost([again], max_losses=9, why="its process died")

    assert ends == [
        (won.task_id, RunState.SUCCEEDED, {"a": 1}),
        (given_up.task_id, RunState.DEAD, None),
    ]


def test_nothing_follows_a_run_without_options():
    settle([ended(taken(ask()), state=RunState.SUCCEEDED)])
    mark_lost([taken(ask())], max_losses=1, why="its process died")

    assert TaskRun.objects.count() == 2


def test_a_listener_makes_a_query_for_no_run_that_does_not_concern_it(monkeypatch):
    """Each of them is told of every run that ends: a query set a run is a fifth of a small task."""
    made = []
    monkeypatch.setattr(QuerySet, "__init__", noting(QuerySet.__init__, made))
    run = TaskRun(task="probe.give_back", task_id="1", queue="default", options={}, kwargs={})

    run_ends.notify_ended([Ended(run, RunState.SUCCEEDED)])

    assert made == []


def noting(original, made):
    def init(self, model=None, *arguments, **options):
        made.append(model)
        original(self, model, *arguments, **options)

    return init
