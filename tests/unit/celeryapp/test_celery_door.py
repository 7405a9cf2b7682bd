"""process_neural_event.apply_async is neural.submit: the same checks, the same duplicates."""

import datetime as dt

import pytest
from celery import Celery, current_app
from django.db import transaction
from django.utils import timezone

import neural
from neural.events.answers import EventRefused
from neural.ledger.record import TaskIdTaken
from neural.models import NeuralEvent, RunState, TaskRun
from neural.tasks import process_neural_event
from tests.probe import canvas
from tests.probe.models import Effect

pytestmark = pytest.mark.django_db


def event(key="1", kind="probe.counted", **data):
    what = {"event_id": key, "event_type": kind, "event_source": "till", "store_id": "S1"}
    return {**what, "data": {"key": key, **data}}


def ask(key="1", kind="probe.counted", **options):
    return process_neural_event.apply_async(kwargs=event(key, kind), **options)


def run_of(result):
    return TaskRun.objects.get(task_id=result.id)


def test_a_call_records_the_event_and_its_result_is_its_handlers(fake_broker):
    result = ask()
    assert NeuralEvent.objects.get().event_id == "1"

    neural.run_due()

    assert result.get(timeout=1) == "done"
    assert Effect.counts() == {"1": 1}
    assert run_of(result).requested_by == "celery"


def test_the_message_goes_out_on_commit(fake_broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        result = ask()

    assert [message.task_id for message in fake_broker.sent] == [result.id]


@pytest.mark.parametrize("how", ["delay", "delay in order", "send_task", "signature"])
def test_every_way_to_call_it_is_the_same_entry_point(fake_broker, how):
    if how == "delay":
        result = process_neural_event.delay(**event())
    elif how == "delay in order":
        result = process_neural_event.delay(*event().values())
    elif how == "send_task":
        result = current_app.send_task(process_neural_event.name, kwargs=event())
    else:
        result = process_neural_event.s(**event()).apply_async()

    assert run_of(result).handler == "probe.count"


def test_send_task_of_our_application_needs_no_broker_for_ledger_tasks(fake_broker, monkeypatch):
    def no_message(*_, **__):
        raise AssertionError("a message was sent before the run was recorded")

    monkeypatch.setattr(Celery, "send_task", no_message)

    assert run_of(current_app.send_task("probe.add", (1, 2), priority=9)).priority == 9


@pytest.mark.parametrize(
    ("kind", "place"),
    [("order.created", ("high_priority", 10)), ("dish.updated", ("default", 5))],
)
def test_the_type_decides_queue_and_priority(fake_broker, kind, place):
    data = {"order_id": "o1", "lines": [], "dish": "d1", "name": "面"}
    what = event(kind=kind) | {"data": data}

    run = run_of(process_neural_event.apply_async(kwargs=what))

    assert (run.queue, run.priority) == place


def test_an_explicit_queue_wins(fake_broker):
    assert run_of(ask(queue="low_priority")).queue == "low_priority"


def test_the_option_priority_beats_the_argument(fake_broker):
    what = event() | {"priority": 3}
    both = process_neural_event.apply_async(kwargs=what, priority=8)
    argument = process_neural_event.apply_async(kwargs=event("2") | {"priority": 3})

    assert [run_of(each).priority for each in (both, argument)] == [8, 3]


@pytest.mark.parametrize("change", [{"event_type": "no.such"}, {"data": {}}, {"store_id": "a b"}])
def test_what_submit_refuses_is_refused_to_the_caller(fake_broker, change):
    with pytest.raises(EventRefused):
        process_neural_event.apply_async(kwargs=event() | change)
    assert not NeuralEvent.objects.exists()


@pytest.mark.parametrize("options", [{"priority": 0}, {"priority": 11}, {"queue": "hihg"}])
def test_a_wrong_priority_or_queue_is_refused_to_the_caller(fake_broker, options):
    with pytest.raises(EventRefused):
        ask(**options)


@pytest.mark.parametrize("wrong", [{}, {"event_id": "1"}, event() | {"colour": 1}])
def test_wrong_arguments_are_a_type_error(fake_broker, wrong):
    with pytest.raises(TypeError):
        process_neural_event.apply_async(kwargs=wrong)


def test_the_same_event_again_is_the_same_result(fake_broker):
    first, again = ask(), ask()

    assert first.id == again.id
    assert TaskRun.objects.count() == 1


def test_the_same_id_with_other_content_is_a_conflict(fake_broker):
    ask()

    with pytest.raises(EventRefused, match="conflict"):
        process_neural_event.apply_async(kwargs=event() | {"data": {"key": "other"}})


@pytest.mark.parametrize("task_id", ["mine", "店" * 255])
def test_a_given_task_id_is_the_first_runs(fake_broker, task_id):
    assert ask(task_id=task_id).id == task_id
    assert run_of(ask(task_id=task_id)).task_id == task_id  # again: the same event


def test_a_task_id_that_stands_for_other_work_is_refused_and_nothing_is_recorded(fake_broker):
    canvas.add.apply_async((1, 1), task_id="taken")

    with transaction.atomic():
        with pytest.raises(TaskIdTaken):
            ask(task_id="taken")
        ask("2")  # the caller's transaction goes on

    assert [each.event_id for each in NeuralEvent.objects.all()] == ["2"]


def test_a_task_id_that_cannot_be_kept_is_refused(fake_broker):
    with pytest.raises(ValueError, match="255"):
        ask(task_id="x" * 256)
    assert not NeuralEvent.objects.exists()


@pytest.mark.parametrize("how", ["countdown", "eta", "naive eta"])
def test_later_means_that_its_handlers_run_later(
    fake_broker, how, django_capture_on_commit_callbacks
):
    due = timezone.now() + dt.timedelta(hours=1)
    naive = due.astimezone(dt.UTC).replace(tzinfo=None)
    options = {"countdown": {"countdown": 3600}, "eta": {"eta": due}, "naive eta": {"eta": naive}}
    with django_capture_on_commit_callbacks(execute=True):
        run = run_of(ask(**options[how]))

    assert abs((run.available_at - due).total_seconds()) < 60
    assert fake_broker.sent == []


def test_limits_and_expiry_hold_for_each_handlers_run(fake_broker):
    ask(kind="probe.pair", time_limit=9, expires=60)

    limits = [
        (run.options["time_limit"], "expires_at" in run.options) for run in TaskRun.objects.all()
    ]
    assert limits == [(9, True), (9, True)]


def test_an_expired_event_is_recorded_and_not_handled(fake_broker):
    result = ask(expires=-1)

    neural.run_due()

    assert run_of(result).state == RunState.CANCELLED
    assert NeuralEvent.objects.exists()
    assert not Effect.objects.exists()


def test_a_schedules_name_is_who_asked(fake_broker):
    assert run_of(ask(headers={"periodic_task_name": "nightly"})).requested_by == "nightly"
    assert run_of(ask("2", requested_by="ann")).requested_by == "ann"


def test_an_event_that_a_run_asks_for_is_its_child(fake_broker):
    run_of(ask()).refresh_from_db()
    parent = canvas.add.delay(1, 1)

    child = run_of(ask("2", parent_id=parent.id))

    assert child.parent_task_id == parent.id


def test_an_event_that_nobody_handles_is_kept(fake_broker):
    ask(kind="probe.unhandled")

    assert NeuralEvent.objects.get().unhandled
    assert not TaskRun.objects.exists()
