"""Celery's options of a run: kept in its row, so that a message sent again is the same one."""

import datetime as dt

import pytest
from celery import current_app

import neural
from neural import queues
from neural.celeryapp.call import OptionNotKept
from neural.kit.errors import PermanentError
from neural.models import RunState, TaskRun
from neural.worker import relay
from tests.celery_versions import since_celery_5_7
from tests.probe import canvas, tasks
from tests.unit.celeryapp.canvas import ledger_task, run_all
from tests.unit.factories import ago, make_run

pytestmark = pytest.mark.django_db


def ask(task=tasks.give_back, **options):
    return TaskRun.objects.get(task_id=task.apply_async(**options).id)


def one():
    return 1


def identity(value):
    return value


def message_of(run, fake_broker):
    """The message that the relay sends for a run whose first one was lost."""
    fake_broker.sent.clear()
    TaskRun.objects.filter(pk=run.pk).update(publish_at=ago(minutes=1))
    relay.publish_unpublished()
    (message,) = fake_broker.sent
    return message.options


# What each message says


def test_limits_headers_and_shadow_are_in_every_message(fake_broker):
    run = ask(time_limit=9, soft_time_limit=7, headers={"trace": "t1"}, shadow="shown")

    for _ in range(2):
        options = message_of(run, fake_broker)
        assert (options["time_limit"], options["soft_time_limit"]) == (9, 7)
        assert (options["headers"], options["shadow"]) == ({"trace": "t1"}, "shown")


def test_the_relay_sends_the_message_that_was_sent_at_first(
    fake_broker, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        limits = {"time_limit": 9, "soft_time_limit": 7}
        run = ask(**limits, headers={"trace": "t1"}, group_id="g", group_index=2)
    (first,) = fake_broker.sent

    assert message_of(run, fake_broker) == first.options


def test_what_the_message_says_of_its_family_does_not_depend_on_who_publishes_it(fake_broker):
    parent = ask(canvas.ask_for_others, queue="high_priority")
    neural.run_due(queue="high_priority")
    assert TaskRun.objects.count() == 3

    for child in TaskRun.objects.filter(parent_task_id=parent.task_id):
        options = message_of(child, fake_broker)
        assert (options["parent_id"], options["root_id"]) == (parent.task_id, parent.task_id)


def test_what_began_something_is_its_own_root(fake_broker):
    """Published inside a worker's task, Celery would name that one."""
    run = ask()

    assert message_of(run, fake_broker)["root_id"] == run.task_id


def test_stamps_are_in_every_message_and_in_the_request(fake_broker):
    run = ask(canvas.request_seen, stamped_headers=["order"], order="17")

    options = message_of(run, fake_broker)
    assert (options["stamped_headers"], options["order"]) == (["order"], "17")
    neural.run_due()
    run.refresh_from_db()
    assert run.result["stamps"] == {"order": "17"}


def test_the_expiry_is_not_in_the_message(fake_broker):
    """Celery would drop it, and nobody would write down that the run has expired."""
    run = ask(expires=60)

    assert "expires" not in message_of(run, fake_broker)


def test_a_body_finds_the_request_that_the_call_asked_for(fake_broker):
    make_run(state=RunState.SUCCEEDED, task_id="parent")
    ask(
        canvas.request_seen,
        time_limit=9,
        headers={"trace": "t1"},
        group_id="g",
        parent_id="parent",
        root_id="root",
        task_id="own",
    )

    (outcome,) = neural.run_due()

    seen = outcome.value
    assert (seen["id"], seen["parent_id"], seen["root_id"]) == ("own", "parent", "root")
    assert (seen["timelimit"], seen["headers"]) == ([9, 8.1], {"trace": "t1"})
    assert (seen["group"], seen["retries"]) == ("g", 0)


def test_a_run_with_options_is_not_batched_with_others(fake_broker):
    """Its limits are for it alone, and theirs are not for it."""
    event = {"event_id": "1", "event_type": "probe.counted", "event_source": "s"}
    kwargs = {**event, "store_id": "S1", "data": {"key": "k"}}
    run = ask(neural.tasks.process_neural_event, kwargs=kwargs, time_limit=5)

    assert run.goes_alone


# Limits


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, {}),
        ({"soft_time_limit": 100}, {"soft_time_limit": 100}),
        ({"time_limit": 100}, {"time_limit": 100, "soft_time_limit": 90}),
        ({"time_limit": 3600}, {"time_limit": 3600, "soft_time_limit": 240}),
        ({"time_limit": 9, "soft_time_limit": 9}, {"time_limit": 9, "soft_time_limit": 9}),
    ],
)
def test_a_hard_limit_below_the_usual_soft_one_brings_a_soft_one(fake_broker, asked, kept):
    """Celery's pool would not look at the hard one before 240 s."""
    assert ask(**asked).options == kept


def test_a_tasks_own_hard_limit_brings_a_soft_one_too(fake_broker):
    with ledger_task(one, time_limit=10) as task:
        assert ask(task).options == {"soft_time_limit": 9}


@pytest.mark.parametrize(
    "asked", [{"time_limit": 5, "soft_time_limit": 6}, {"soft_time_limit": 301}]
)
def test_a_soft_limit_beyond_the_hard_one_is_refused(fake_broker, asked):
    with pytest.raises(ValueError, match="must be less than or equal to time_limit"):
        ask(**asked)


@pytest.mark.parametrize(
    "declared", [{"time_limit": 5, "soft_time_limit": 6}, {"soft_time_limit": 301}]
)
def test_a_soft_limit_beyond_the_hard_one_that_a_task_declares_is_refused(fake_broker, declared):
    with (
        ledger_task(one, **declared) as task,
        pytest.raises(ValueError, match="must be less than or equal to time_limit"),
    ):
        task.delay()

    assert not TaskRun.objects.exists()


@pytest.mark.parametrize("name", ["time_limit", "soft_time_limit"])
def test_a_limit_that_strikes_before_the_task_begins_is_refused(fake_broker, name):
    with pytest.raises(ValueError, match=rf"{name} 0\.001 strikes before .* 0\.5 seconds or more"):
        ask(**{name: 0.001})


def test_the_shortest_hard_limit_brings_a_soft_one_that_a_worker_accepts(fake_broker):
    assert ask(time_limit=0.5).options == {"time_limit": 0.5, "soft_time_limit": 0.5}


# Expiry


@pytest.mark.parametrize(
    "expires",
    [
        -1,
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2020, 1, 1),
        "2020-01-01T00:00:00+00:00",
    ],
)
def test_an_expired_run_is_cancelled_and_says_so(fake_broker, expires):
    run = ask(expires=expires)

    neural.run_due()

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert run.error.startswith("it expired at 20")
    assert run.result is None


def test_a_run_that_has_not_expired_is_run(fake_broker):
    run = ask(expires=60)

    neural.run_due()

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED


def test_a_retry_that_comes_after_the_expiry_is_not_made(fake_broker):
    run = ask(canvas.note, args=["v", "k"], expires=60)
    TaskRun.objects.update(failures=1, options={"expires_at": "2020-01-01T00:00:00+00:00"})

    run_all()

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


@pytest.mark.parametrize("how", ["one", "all"])
def test_a_person_who_retries_an_expired_run_wants_it(fake_broker, how):
    run = ask(expires=-1, headers={"trace": "t1"})
    neural.run_due()
    run.refresh_from_db()

    assert run.retry() if how == "one" else TaskRun.objects.all().retry()

    neural.run_due()
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert run.options["headers"] == {"trace": "t1"}


def test_a_tasks_own_expiry_holds_unless_the_call_says_none(fake_broker):
    with ledger_task(one, expires=-1) as task:
        expired, wanted = ask(task), ask(task, expires=None)
        neural.run_due()

    states = [TaskRun.objects.get(pk=run.pk).state for run in (expired, wanted)]
    assert states == [RunState.CANCELLED, RunState.SUCCEEDED]


# When and where


def test_an_eta_without_a_zone_is_utc_as_celery_reads_it(fake_broker):
    assert ask(eta=dt.datetime(2099, 1, 1)).available_at == dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def test_a_call_that_ignores_its_result_does_not_wait_for_it_as_in_celery(fake_broker):
    result = tasks.count.apply_async(kwargs={"key": "k"}, ignore_result=True)

    assert result.get(timeout=0) is None
    run_all()
    assert TaskRun.objects.get(task_id=result.id).state == "succeeded"


@pytest.mark.parametrize(("name", "place"), sorted(queues.TASK_QUEUES.items()))
def test_a_name_of_the_routing_table_has_its_queue_and_priority(name, place):
    queue, priority = place

    assert current_app.amqp.router.route({}, name)["queue"].name == queue
    assert (queues.queue_of(name), queues.priority_of(name)) == (queue, priority)


def test_the_routed_names_are_those_of_the_guide_and_ours():
    expected = {
        "index_to_vector_db": ("default", 5),
        "train_federated_model": ("low_priority", 1),
        "run_federated_round": ("low_priority", 1),
        "answer_training_exchange": ("low_priority", 1),
        "advance_training_round": ("low_priority", 1),
        "make_forecasts": ("low_priority", 1),
        "batch_index_orders": ("low_priority", 1),
        "index_marked": ("default", 5),
        "rebuild_search_index": ("low_priority", 1),
        "tend_search_indexes": ("low_priority", 1),
        "analyse_demand": ("low_priority", 1),
        "prune_old_rows": ("low_priority", 1),
        "act_on_runs": ("default", 5),
    }

    assert {f"neural.tasks.{name}": to for name, to in expected.items()} == queues.TASK_QUEUES


def test_the_routing_table_decides_where_a_tasks_runs_go(fake_broker, monkeypatch):
    monkeypatch.setitem(queues.TASK_QUEUES, "probe.add", ("low_priority", 1))

    run = ask(canvas.add, args=[1, 1])

    assert (run.queue, run.priority) == ("low_priority", 1)


@pytest.mark.filterwarnings(
    r"ignore:\s*The '(queue|priority)' task attribute"
)  # Celery's, until its 6.0
def test_a_tasks_own_queue_and_priority_hold_as_in_celery(fake_broker):
    with ledger_task(one, queue="low_priority", priority=2) as task:
        own, called = ask(task), ask(task, queue="high_priority", priority=9)

    assert (own.queue, own.priority) == ("low_priority", 2)
    assert (called.queue, called.priority) == ("high_priority", 9)


# What is refused


@pytest.mark.parametrize("option", ["exchange", "routing_key", "reply", "retries"])
def test_an_option_that_is_not_kept_is_refused_by_name(fake_broker, option):
    with pytest.raises(OptionNotKept, match=option):
        ask(**{option: "x"})
    assert not TaskRun.objects.exists()


@pytest.mark.parametrize("option", ["link", "link_error"])
def test_what_follows_is_refused_where_another_run_may_stand_for_this_one(fake_broker, option):
    with pytest.raises(OptionNotKept, match=f"unique_key cannot have {option}"):
        ask(unique_key="k", **{option: canvas.add.s(1)})


def test_asking_for_what_is_refused_is_a_permanent_error():
    assert issubclass(OptionNotKept, PermanentError)


@pytest.mark.parametrize("task", [canvas.add, neural.tasks.process_neural_event])
def test_wrong_arguments_are_the_callers_error(fake_broker, task):
    with pytest.raises(TypeError):
        task.apply_async(args=[1])
    assert not TaskRun.objects.exists()


def test_typing_false_leaves_the_arguments_to_the_body(fake_broker):
    with ledger_task(identity, typing=False) as task:
        assert ask(task)


# Task ids


@pytest.mark.parametrize("task_id", ["x" * 255, "店" * 255, "with spaces / and * ? [id]", "😀"])
def test_a_task_id_is_any_text_of_up_to_255_characters(fake_broker, task_id):
    assert ask(task_id=task_id).task_id == task_id


@pytest.mark.parametrize("task_id", ["x" * 256, "a\x00", "\ud800"])
def test_a_task_id_that_cannot_be_kept_is_refused(fake_broker, task_id):
    with pytest.raises(ValueError, match="a task id"):
        ask(task_id=task_id)


# Values


def test_dates_in_a_signature_come_back_as_dates(fake_broker):
    day = dt.date(2026, 3, 1)
    canvas.add.apply_async(args=[1, 1], link=tasks.give_back.s(day))

    run_all()

    assert TaskRun.objects.get(task="probe.give_back").result[0][1]["__type__"] == "date"


@since_celery_5_7("a caller makes JSON of a model himself")
def test_pydantic_tasks_take_models_and_give_them_to_the_body(fake_broker):
    from pydantic import BaseModel

    class Point(BaseModel):
        x: int

    def double(point: Point) -> Point:
        return Point(x=point.x * 2)

    double.__annotations__ = {"point": Point, "return": Point}
    with ledger_task(double, pydantic=True) as task:
        run = ask(task, args=[Point(x=21)])
        neural.run_due()

    run.refresh_from_db()
    assert (run.args, run.result) == ([{"x": 21}], {"x": 42})
