"""What starts when a run has ended, in the transaction of its outcome."""

from decimal import Decimal

import pytest
from celery import Celery, chain, chord, current_app, group
from celery.result import AsyncResult
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django_celery_results.models import ChordCounter

import neural
from neural.celeryapp import callbacks
from neural.celeryapp.callbacks import ERROR_CALLBACK_TASK
from neural.celeryapp.celery_view import SEND_TASK, sent_id
from neural.celeryapp.results import DatabaseResults
from neural.ledger.claim import Claimant, claim
from neural.ledger.outcome import Outcome
from neural.ledger.settle import Fenced, mark_lost, settle
from neural.models import NeuralEvent, RunState, TaskRun
from tests.probe import canvas, tasks
from tests.probe.models import Effect
from tests.unit.celeryapp.canvas import ledger_task, record_plain_messages, run_all, runs_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    """What was sent to plain Celery."""
    return record_plain_messages(monkeypatch)


def state(result):
    return TaskRun.objects.get(task_id=result.id).state


# Success


def test_a_link_starts_with_the_value_once_the_run_has_succeeded(fake_broker, sent):
    result = canvas.add.apply_async((1, 2), link=canvas.add.s(10))
    assert len(runs_of(canvas.add)) == 1

    run_all()

    _, linked = runs_of(canvas.add)
    assert (linked.args, linked.result) == ([3, 10], 13)
    assert (linked.parent_task_id, linked.options["root_id"]) == (result.id, result.id)


def test_an_immutable_link_starts_with_its_own_arguments(fake_broker, sent):
    canvas.add.apply_async((1, 2), link=canvas.add.si(10, 10))

    run_all()

    assert runs_of(canvas.add)[1].result == 20


def test_several_links_each_start_once(fake_broker, sent):
    canvas.add.apply_async((1, 2), link=[canvas.add.s(1), canvas.add.s(2)])

    run_all()

    assert [run.result for run in runs_of(canvas.add)] == [3, 4, 5]


def test_a_chain_goes_on_run_by_run_and_its_result_is_the_last_ones(fake_broker, sent):
    result = chain(canvas.add.s(1, 2), canvas.add.s(3), canvas.add.s(4))()
    assert len(runs_of(canvas.add)) == 1

    run_all()

    runs = runs_of(canvas.add)
    assert [run.result for run in runs] == [3, 6, 10]
    assert runs[2].task_id == result.id
    assert [run.parent_task_id for run in runs] == ["", runs[0].task_id, runs[1].task_id]
    assert {run.options["root_id"] for run in runs[1:]} == {runs[0].task_id}


def test_a_chain_keeps_the_options_of_its_members(fake_broker, sent):
    later = canvas.add.s(3).set(countdown=3600, time_limit=9, queue="low_priority")
    chain(canvas.add.s(1, 2), later)()

    neural.run_due()

    run = runs_of(canvas.add)[1]
    assert (run.state, run.queue, run.options["time_limit"]) == ("pending", "low_priority", 9)


def test_a_group_is_as_many_runs_and_its_result_their_values_in_order(fake_broker, sent):
    result = group(canvas.add.s(number, 1) for number in range(3))()

    run_all()

    assert result.get(timeout=1) == [1, 2, 3]
    assert {run.options["group_id"] for run in runs_of(canvas.add)} == {result.id}


def test_a_chain_may_end_in_a_group(fake_broker, sent):
    chain(canvas.add.s(1, 2), group(canvas.add.s(10), canvas.add.s(20)))()

    run_all()

    assert [run.result for run in runs_of(canvas.add)] == [3, 13, 23]


def test_a_link_may_be_a_chain_or_a_group(fake_broker, sent):
    both = [chain(canvas.add.s(1), canvas.add.s(1)), group(canvas.add.s(5), canvas.add.s(6))]
    canvas.add.apply_async((1, 2), link=both)

    run_all()

    assert sorted(run.result for run in runs_of(canvas.add)) == [3, 4, 5, 8, 9]


def test_the_outcome_and_what_follows_are_one_transaction(fake_broker, sent, monkeypatch):
    """A database that goes away between them leaves neither."""
    result = canvas.add.apply_async((1, 2), link=canvas.add.s(1))
    (run,) = claim(task_id=result.id, claimant=Claimant())
    monkeypatch.setattr(callbacks, "_begin", _database_away)

    with pytest.raises(OperationalError), transaction.atomic():
        settle([_succeeded(run)])

    assert state(result) == RunState.RUNNING


def _database_away(*_):
    raise OperationalError("away")


def _succeeded(run):
    times = {"started_at": run.started_at, "finished_at": run.started_at}
    return Outcome(run=run, state=RunState.SUCCEEDED, value=3, result="3", **times)


def test_nothing_follows_a_run_that_was_taken_away(fake_broker, sent):
    result = canvas.add.apply_async((1, 2), link=canvas.add.s(1))
    (run,) = claim(task_id=result.id, claimant=Claimant())
    TaskRun.objects.get().revoke()

    with pytest.raises(Fenced), transaction.atomic():
        settle([_succeeded(run)])

    assert len(runs_of(canvas.add)) == 1


def test_two_step_work_is_followed_as_atomic_work_is(fake_broker, sent):
    tasks.give_back.apply_async((1,), link=tasks.give_back.s(2))

    run_all()

    assert runs_of(tasks.give_back)[1].args == [[[1], {}], 2]


# Plain Celery tasks among them


def test_a_plain_task_that_follows_is_sent_by_a_run_of_its_own(fake_broker, sent):
    result = canvas.add.apply_async((1, 2), link=canvas.plain_add.s(4))
    run_all()

    (message,) = sent
    assert (message.name, message.args) == ("probe.plain_add", [3, 4])
    assert message.options["parent_id"] == message.options["root_id"] == result.id
    (sending,) = runs_of(SEND_TASK)
    assert (sending.state, sending.result) == (RunState.SUCCEEDED, message.options["task_id"])


def test_its_id_is_known_before_it_is_sent_and_stays_when_it_is_sent_again(fake_broker, sent):
    canvas.add.apply_async((1, 2), link=canvas.plain_add.s(4))
    sent.away = True
    neural.run_due()
    (sending,) = runs_of(SEND_TASK)
    assert sending.state == RunState.PENDING  # tried again until it is sent

    sent.away = False
    run_all()

    assert [message.options["task_id"] for message in sent] == [sent_id(sending)]


def test_a_mixed_chain_goes_through_plain_tasks_with_its_rest(fake_broker, sent):
    result = chain(canvas.add.s(1, 2), canvas.plain_add.s(4), canvas.add.s(5))()

    run_all()

    (message,) = sent
    (rest,) = message.options["chain"]
    assert (rest["task"], rest["args"], rest["options"]["task_id"]) == (
        *("probe.add", [5]),
        result.id,
    )


def test_a_chord_of_plain_tasks_may_follow(fake_broker, sent, monkeypatch):
    started = []
    monkeypatch.setattr(
        "celery.canvas._chord.apply_async",
        lambda self, args=(), *_, **__: started.append(args) or AsyncResult("chord"),
    )
    header = group(canvas.plain_add.s(1), canvas.plain_add.s(2))
    canvas.add.apply_async((1, 2), link=chord(header, canvas.total.s()))

    run_all()

    assert started == [(3,)]


@pytest.mark.django_db(transaction=True)
def test_the_count_of_a_chord_that_follows_is_committed_before_its_messages_leave(
    fake_broker, monkeypatch
):
    """A worker that has done the header at once finds it, and starts the chord's last task."""
    committed = []
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))
    monkeypatch.setattr(
        Celery,
        "send_task",
        lambda app, name, *_, **options: (
            committed.append(ChordCounter.objects.exists() and not connection.in_atomic_block)
            or app.AsyncResult(options["task_id"])
        ),
    )
    header = group(canvas.plain_add.s(1), canvas.plain_add.s(2))
    canvas.add.apply_async((1, 2), link=chord(header, canvas.total.s()))

    run_all()

    assert committed == [True, True]


def test_a_chord_that_the_broker_did_not_take_is_counted_anew_when_it_is_sent_again(
    fake_broker, sent, monkeypatch
):
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))
    header = group(canvas.plain_add.s(1), canvas.plain_add.s(2))
    chain(canvas.add.s(1, 2), header, canvas.total.s())()
    sent.away = True
    neural.run_due()
    assert [run.state for run in runs_of(SEND_TASK)] == [RunState.PENDING]

    sent.away = False
    run_all()

    assert [run.state for run in runs_of(SEND_TASK)] == [RunState.SUCCEEDED]
    assert [message.args for message in sent] == [[3, 1], [3, 2]]
    assert [counter.count for counter in ChordCounter.objects.all()] == [2]


def test_a_chord_that_is_sent_again_is_the_same_chord(fake_broker, sent, monkeypatch):
    """Its messages, the row of its count and its last task have the ids of the first attempt."""
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))
    header = group(canvas.plain_add.s(1), canvas.plain_add.s(2))
    canvas.add.apply_async((1, 2), link=chord(header, canvas.plain_note.s("sum")))
    run_all()
    first = [(message.options["task_id"], dict(message.options["chord"])) for message in sent]
    (sending,) = runs_of(SEND_TASK)

    callbacks.send(*sending.args)

    assert [
        (message.options["task_id"], dict(message.options["chord"])) for message in sent[2:]
    ] == first
    assert ChordCounter.objects.count() == 1


def test_each_task_of_a_nested_header_knows_what_comes_after_it(fake_broker, sent, monkeypatch):
    """Celery writes the bodies into the tasks again when they are sent."""
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))
    inner = chord([canvas.plain_add.s(1), canvas.plain_add.s(2)], canvas.plain_note.s("inner"))
    row = chain(canvas.plain_add.s(3), canvas.plain_add.s(4))
    canvas.add.apply_async((1, 2), link=chord([inner, row], canvas.plain_note.s("outer")))

    run_all()

    *of_inner, first_of_row = (message.options for message in sent)
    for each in of_inner:
        assert list(each["chord"]["args"]) == ["inner"]
        assert list(each["chord"]["options"]["chord"]["args"]) == ["outer"]
    (last_of_row,) = first_of_row["chain"]
    assert first_of_row.get("chord") is None
    assert list(last_of_row["options"]["chord"]["args"]) == ["outer"]


def test_a_groups_own_options_are_those_of_each_member(fake_broker, sent):
    members = group(canvas.add.s(1), canvas.plain_add.s(2)).set(queue="low_priority", countdown=60)
    canvas.add.apply_async((1, 2), link=members)

    neural.run_due()

    _, member = runs_of(canvas.add)
    assert (member.queue, member.available_at > timezone.now()) == ("low_priority", True)
    run_all()
    assert [(each.options["queue"], each.options["countdown"]) for each in sent] == [
        ("low_priority", 60)
    ]


def test_a_groups_links_are_added_to_those_of_each_member(fake_broker, sent):
    """As for a chain that ends in a group, and is called with a link."""
    members = group(canvas.add.s(1), canvas.add.s(2).set(link=canvas.note.s("own")))
    chain(canvas.add.s(1, 2), members).apply_async(link=canvas.note.s("chain"))

    run_all()

    assert Effect.counts() == {"chain:4": 1, "chain:5": 1, "own:5": 1}


def test_a_large_chord_that_follows_is_sent_though_its_ids_are_too_many_to_be_kept(
    fake_broker, sent, settings
):
    settings.NEURAL = {"max_json_bytes": 20_000}
    body = chain(canvas.plain_add.s(1), canvas.plain_add.s(2), canvas.plain_add.s(3))
    canvas.add.apply_async((1, 2), link=chord([canvas.plain_add.s(n) for n in range(60)], body))

    run_all()

    assert len(sent) == 60
    assert {run.state for run in TaskRun.objects.all()} == {RunState.SUCCEEDED}


@pytest.mark.parametrize("kwargs", [{}, {"header": [], "body": 7}, {"header": None, "body": {}}])
def test_a_chord_that_is_none_does_not_undo_the_success(fake_broker, sent, kwargs):
    no_chord = {"task": "celery.chord", "subtask_type": "chord", "kwargs": kwargs, "options": {}}
    result = canvas.add.apply_async((1, 2), link=no_chord)

    run_all()

    assert state(result) == RunState.SUCCEEDED
    assert {run.state for run in runs_of(SEND_TASK)} <= {RunState.DEAD, RunState.SUCCEEDED}


def test_a_runs_child_is_the_last_task_of_the_chord_that_follows_it(fake_broker, sent):
    header = group(canvas.plain_add.s(1), canvas.plain_add.s(2))
    result = canvas.add.apply_async((1, 2), link=chord(header, canvas.plain_note.s("sum")))

    run_all()

    (child,) = result.children
    assert child.id == sent[0].options["chord"]["options"]["task_id"]


def test_a_group_that_was_refused_before_starts_its_members_each_by_a_run(fake_broker, sent):
    members = group(canvas.add.s(1), canvas.plain_add.s(2), chord([canvas.plain_add.s(3)], None))

    callbacks.send(dict(members), (3,), {"parent_id": "the-parent", "root_id": "the-root"})

    assert not sent
    assert [run.args for run in runs_of(canvas.add)] == [[3, 1]]
    assert [run.args[0]["task"] for run in runs_of(SEND_TASK)] == [
        "probe.plain_add",
        "celery.chord",
    ]
    for run in TaskRun.objects.all():
        assert (run.parent_task_id, run.root_id) == ("the-parent", "the-root")


# What is refused


def test_a_follower_that_is_refused_does_not_undo_the_success(fake_broker, sent):
    """It is dead for everybody to see, with the reason, and the run has succeeded."""
    result = canvas.note.apply_async(("v", "k"), link=canvas.add.s(1, 2, 3))

    run_all()

    assert state(result) == RunState.SUCCEEDED
    assert Effect.counts() == {"k:v": 1}
    (refused,) = runs_of(SEND_TASK)
    assert refused.state == RunState.DEAD
    assert "TypeError" in refused.error


def test_a_chord_with_a_member_that_is_refused_is_dead_with_the_reason(fake_broker, sent):
    header = group(canvas.add.s(1), canvas.add.s(2).set(colour=1))
    result = canvas.add.apply_async((1, 2), link=chord(header, canvas.total.s()))

    run_all()

    assert state(result) == RunState.SUCCEEDED
    (refused,) = runs_of(SEND_TASK)
    assert (refused.state, refused.failures) == (RunState.DEAD, 1)  # no retry could help
    assert "does not keep colour" in refused.error


def test_a_value_that_can_be_kept_is_handed_on_whatever_canvas_it_is_handed_to(
    fake_broker, sent, settings
):
    settings.NEURAL = {"max_json_bytes": 600}
    following = chain(canvas.plain_note.s("key" * 100), *[canvas.note.s("k" * 200)] * 3)
    result = tasks.give_back.apply_async(("x" * 550,), link=following)

    run_all()

    assert TaskRun.objects.get(task_id=result.id).state == RunState.SUCCEEDED
    assert [message.name for message in sent] == [canvas.plain_note.name]


def test_of_a_group_that_is_refused_in_part_nothing_is_started_twice(fake_broker, sent):
    """The whole of it is dead, and starts nothing of its own when it is sent from there."""
    result = canvas.add.apply_async((1, 2), link=group(canvas.add.s(1), canvas.add.s(1, 2, 3)))

    neural.run_due()

    assert state(result) == RunState.SUCCEEDED
    assert [run.args for run in runs_of(canvas.add)] == [[1, 2]]
    assert runs_of(SEND_TASK)[0].state != RunState.SUCCEEDED


# Death


def test_an_error_callback_of_one_argument_starts_with_the_task_id(fake_broker, sent):
    result = canvas.fail.apply_async(link_error=canvas.note.s("dead"))

    run_all()

    (callback,) = runs_of(canvas.note)
    assert callback.args == [result.id, "dead"]
    assert callback.parent_task_id == result.id


def test_an_error_callback_starts_when_the_run_is_dead_and_not_at_each_attempt(fake_broker, sent):
    """Celery's too waits for the last retry."""
    failing = {"key": "k", "fail_times": 9}
    tasks.count.apply_async(kwargs=failing, link_error=canvas.note.s("dead"))

    neural.run_due()
    assert not runs_of(canvas.note)
    run_all()

    assert len(runs_of(canvas.note)) == 1


def test_an_error_callback_of_three_arguments_is_called_with_request_error_and_traceback(
    fake_broker, sent
):
    result = canvas.fail.apply_async(("what",), link_error=canvas.on_error.s())

    run_all()

    assert Effect.counts() == {f"{result.id}:Failing:what:with traceback": 1}
    (calling,) = runs_of(ERROR_CALLBACK_TASK)
    assert calling.state == RunState.SUCCEEDED


def test_a_plain_error_callback_of_one_argument_is_sent(fake_broker, sent):
    result = canvas.fail.apply_async(link_error=canvas.plain_note.s("dead"))

    run_all()

    assert [(message.name, message.args) for message in sent] == [
        ("probe.plain_note", [result.id, "dead"])
    ]


def test_an_immutable_error_callback_starts_with_its_own_arguments(fake_broker, sent):
    canvas.fail.apply_async(link_error=canvas.add.si(1, 1))

    run_all()

    assert runs_of(canvas.add)[0].result == 2


def test_a_bound_error_callback_of_three_arguments_is_called_too(fake_broker, sent):
    def bound(self, request, exc, traceback):
        Effect.objects.create(key=f"{self.request.retries}:{request.task}:{exc}")

    with ledger_task(bound, bind=True) as callback:
        canvas.fail.apply_async(("what",), link_error=callback.s())
        run_all()

    assert Effect.counts() == {"0:probe.fail:what": 1}


def test_a_permanent_error_calls_them_at_once(fake_broker, sent):
    tasks.count.apply_async(
        kwargs={"key": "k", "permanent": True}, link_error=canvas.note.s("dead")
    )

    neural.run_due()

    assert len(runs_of(canvas.note)) == 1


def test_a_poison_calls_them_too(fake_broker, sent):
    """Found by a relay, in which nothing of the callback may run."""
    links = [canvas.note.s("dead"), canvas.on_error.s()]
    result = canvas.add.apply_async((1, 1), link_error=links)
    (run,) = claim(task_id=result.id, claimant=Claimant())

    mark_lost([run], max_losses=1, why="its process died")

    assert not Effect.objects.exists()
    run_all()
    lost = f"{result.id}:WorkerLostError:its process died; given up as poison"
    assert sum(key.startswith(lost) for key in Effect.counts()) == 1
    assert len(runs_of(canvas.note)) == 1


def test_an_error_callback_that_is_refused_leaves_the_run_dead(fake_broker, sent):
    result = canvas.fail.apply_async(link_error=canvas.add.s(1, 2, 3))

    run_all()

    assert state(result) == RunState.DEAD
    assert runs_of(SEND_TASK)[0].state == RunState.DEAD


def test_every_member_of_a_chain_has_the_chains_error_callbacks(fake_broker, sent):
    chain(canvas.add.s(1, 2), canvas.fail.si()).apply_async(link_error=canvas.note.s("dead"))

    run_all()

    assert len(runs_of(canvas.note)) == 1


def test_after_a_death_the_rest_of_the_chain_does_not_start_until_a_person_retries(
    fake_broker, sent
):
    order = {"key": "k", "fail_times": 4}
    chain(tasks.count.si(**order), canvas.note.si("then", "k"))()
    run_all()
    assert not runs_of(canvas.note)

    TaskRun.objects.dead().get().retry()
    run_all()

    assert not runs_of(canvas.note)  # it fails as before: fail_times counts anew
    TaskRun.objects.update(kwargs={"key": "k"})
    TaskRun.objects.dead().get().retry()
    run_all()
    assert len(runs_of(canvas.note)) == 1


# Events


def event(kind="probe.counted", key="k", **data):
    what = {"event_id": key, "event_type": kind, "event_source": "s", "store_id": "S1"}
    return {**what, "data": {"key": key, **data}}


def test_an_event_may_be_the_next_of_a_chain(fake_broker, sent):
    process = neural.tasks.process_neural_event
    result = chain(canvas.add.s(1, 2), process.si(**event()))()

    run_all()

    run = TaskRun.objects.get(task_id=result.id)
    assert (run.handler, run.state) == ("probe.count", RunState.SUCCEEDED)
    assert run.parent_task_id == runs_of(canvas.add)[0].task_id


def test_decimals_and_dates_of_an_event_that_follows_are_what_they_were(fake_broker, sent):
    data = {"order_id": "1", "lines": [{"name": "面", "quantity": Decimal("1.50"), "price": "28"}]}
    what = event("order.created") | {"data": data}
    canvas.add.apply_async((1, 2), link=neural.tasks.process_neural_event.si(**what))

    run_all()

    (line,) = NeuralEvent.objects.get().payload["lines"]
    assert Decimal(line["quantity"]) == Decimal("1.50")
    assert not runs_of(SEND_TASK)


def test_what_follows_an_event_follows_its_first_handler_once(fake_broker, sent):
    process = neural.tasks.process_neural_event
    chained = process.s(**event("probe.pair")).set(link=canvas.note.s("link"))
    chain(chained, canvas.note.s("chain"))()

    run_all()

    assert TaskRun.objects.filter(handler__startswith="probe.", state="succeeded").count() == 2
    assert [run.args for run in runs_of(canvas.note)] == [["done", "link"], ["done", "chain"]]


def test_each_handler_that_dies_calls_the_events_error_callbacks(fake_broker, sent):
    process = neural.tasks.process_neural_event
    data = event("probe.pair", permanent=True)
    process.apply_async(kwargs=data, link_error=canvas.note.s("dead"))

    run_all()

    assert len(runs_of(canvas.note)) == TaskRun.objects.dead().count() == 2
