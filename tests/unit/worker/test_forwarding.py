"""What this worker does not know others may: handed on while they do, dead when nobody does."""

import datetime as dt

import pytest
from celery import current_app
from django.utils import timezone
from pydantic import create_model

import neural
from neural.events.types import event_type, fingerprint
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.worker import refusing
from tests.unit.celeryapp.canvas import ledger_task
from tests.unit.factories import make_event, make_run, make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

NEW = "app.of_the_new_version"


def later(**span) -> dt.datetime:
    return timezone.now() + dt.timedelta(**span)


def new_run(**fields) -> TaskRun:
    """Of a handler that this process does not know."""
    return make_run(event=make_event(), handler=NEW, **fields)


def state_of_the_run() -> tuple:
    run = TaskRun.objects.get()
    return run.state, run.failures, run.losses


# Who knows it


def test_a_run_of_a_handler_that_another_worker_knows_is_forwarded_and_nothing_is_counted():
    new_run()
    make_worker(registered={"handlers": [NEW]})

    for hours in range(50):
        neural.run_due(now=later(hours=hours))

    assert state_of_the_run() == (RunState.PENDING, 0, 0)
    run = TaskRun.objects.get()
    assert run.error.startswith(f"HandlerUnknown: no installed app registers the handler '{NEW}'")
    assert run.error.endswith("Another worker knows it")
    assert not TaskAttempt.objects.exists()


def test_it_comes_again_after_some_seconds_and_not_at_once():
    new_run()
    make_worker(registered={"handlers": [NEW]})

    (outcome,) = neural.run_due()

    run = TaskRun.objects.get()
    assert run.available_at == run.publish_at == outcome.due_at
    assert 0.5 < (run.available_at - outcome.finished_at).total_seconds() < 4


@pytest.mark.parametrize(
    "who",
    [
        {"registered": {"handlers": ["another"]}},
        {"registered": None},  # of a version that does not say
        {"registered": {"handlers": [NEW]}, "queues": ["low_priority"]},
        {"registered": {"handlers": [NEW]}, "stopped_at": timezone.now()},
        {"registered": {"handlers": [NEW]}, "lost_at": timezone.now()},
    ],
)
def test_nobody_knows_it_who_is_gone_or_reads_other_queues_or_does_not_say_so(who):
    new_run()
    make_worker(**who)

    neural.run_due()

    assert TaskAttempt.objects.get().outcome == AttemptOutcome.RELEASED  # its time begins
    assert "Another" not in TaskRun.objects.get().error


# Where nobody does


def test_where_nobody_knows_it_it_waits_for_the_stated_time_and_is_dead_then():
    new_run()
    began = timezone.now()
    neural.run_due()
    TaskAttempt.objects.update(started_at=began - dt.timedelta(seconds=601))
    neural.run_due(now=later(hours=1))

    assert state_of_the_run() == (RunState.DEAD, 1, 0)
    assert "HandlerUnknown: no installed app registers" in TaskRun.objects.get().error
    outcomes = TaskAttempt.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == [AttemptOutcome.RELEASED, AttemptOutcome.FAILED]


def waited(seconds: float) -> None:
    """It was first handed on so long ago."""
    first = TaskAttempt.objects.filter(outcome=AttemptOutcome.RELEASED).order_by("-pk").first()
    first.started_at = timezone.now() - dt.timedelta(seconds=seconds)
    first.save()


@pytest.mark.parametrize(("seconds", "state"), [(590, "pending"), (601, "dead")])
def test_the_stated_time_counts_from_when_it_was_first_forwarded(seconds, state):
    new_run(created_at=timezone.now() - dt.timedelta(days=1))
    neural.run_due()
    waited(seconds)

    neural.run_due(now=later(hours=1))

    assert TaskRun.objects.get().state == state


def test_the_longer_it_waits_the_less_often_it_is_looked_at():
    new_run()
    neural.run_due()
    waited(100)

    (outcome,) = neural.run_due(now=later(hours=1))

    wait = TaskRun.objects.get().available_at - outcome.finished_at
    assert 45 < wait.total_seconds() < 55


def test_after_a_persons_retry_the_stated_time_begins_anew():
    run = new_run()
    neural.run_due()
    waited(601)
    neural.run_due(now=later(hours=1))
    run.refresh_from_db()
    assert run.retry()

    neural.run_due()

    assert TaskRun.objects.get().state == RunState.PENDING


def test_a_stated_time_of_nothing_means_dead_at_once(settings):
    settings.NEURAL = {"unknown_work_seconds": 0}
    new_run()

    neural.run_due()

    assert state_of_the_run() == (RunState.DEAD, 1, 0)


def test_an_event_type_that_another_worker_knows_is_forwarded():
    """A handler of both versions that handles a new type, too."""
    make_run(event=make_event(type="app.new_type"), handler="probe.count")
    make_worker(registered={"event_types": {"app.new_type": "1"}})

    neural.run_due()

    assert state_of_the_run() == (RunState.PENDING, 0, 0)
    assert "EventTypeUnknown" in TaskRun.objects.get().error


# What does not fit


def unfit_event() -> None:
    """Recorded when a report's day was a text."""
    event = make_event(type="sales.reported", payload={"day": "someday", "lines": []})
    make_run(event=event, handler="neural.record_sales")


def test_a_payload_that_no_longer_fits_its_schema_is_dead_at_once_and_says_where():
    unfit_event()

    neural.run_due()

    assert state_of_the_run() == (RunState.DEAD, 1, 0)
    error = TaskRun.objects.get().error
    assert error.startswith("PayloadUnfit: the payload does not fit the schema of sales.reported")
    assert "day: Input should be a valid date" in error
    assert "someday" not in error


@pytest.mark.parametrize(
    ("theirs", "state"), [("another schema", "pending"), (None, "dead"), ("mine", "dead")]
)
def test_a_payload_may_fit_the_schema_of_another_version(theirs, state):
    mine = fingerprint(event_type("sales.reported"))
    known = {} if theirs is None else {"sales.reported": mine if theirs == "mine" else theirs}
    make_worker(registered={"event_types": known})
    unfit_event()

    neural.run_due()

    assert TaskRun.objects.get().state == state


def test_a_payload_that_fits_no_version_is_dead_after_the_stated_time():
    make_worker(registered={"event_types": {"sales.reported": "another schema"}})
    unfit_event()
    neural.run_due()
    waited(601)

    neural.run_due(now=later(hours=1))

    assert TaskRun.objects.get().state == RunState.DEAD


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ([1], {}, "missing a required argument: 'y'"),
        ([1, 2, 3], {}, "too many positional arguments"),
        ([1], {"why": 2}, "missing a required argument: 'y'"),
        ([1, 2], {"z": 3}, "got an unexpected keyword argument 'z'"),
    ],
)
def test_arguments_that_a_task_does_not_take_are_no_matter_for_a_retry(args, kwargs, told):
    make_run(task="probe.add", args=args, kwargs=kwargs)

    neural.run_due()

    assert state_of_the_run() == (RunState.DEAD, 1, 0)
    error = TaskRun.objects.get().error
    assert error == f"ArgumentsUnfit: probe.add(x, y) cannot be called: {told}"


def test_a_type_error_from_inside_the_work_is_tried_again():
    def broken():
        raise TypeError("missing 1 required positional argument: 'y'")

    with ledger_task(broken) as task:
        task.delay()
        neural.run_due()

    assert state_of_the_run() == (RunState.PENDING, 1, 0)


@pytest.mark.parametrize(("theirs", "state"), [("x, y, z=", "pending"), ("x, y", "dead")])
def test_arguments_may_fit_the_task_of_another_version(theirs, state):
    make_worker(registered={"tasks": {"probe.add": theirs}})
    make_run(task="probe.add", args=[1, 2], kwargs={"z": 3})

    neural.run_due()

    assert TaskRun.objects.get().state == state


# What a worker says


def test_a_worker_says_what_it_knows():
    known = refusing.registered_work(current_app)

    assert {"probe.count", "neural.record_sales"} <= set(known["handlers"])
    assert known["event_types"]["sales.reported"] == fingerprint(event_type("sales.reported"))
    assert known["tasks"]["probe.add"] == "x, y"
    assert known["tasks"]["probe.count"] == "**order"
    assert known["tasks"]["probe.hang"] == "key, seconds="
    assert "probe.plain_add" not in known["tasks"]  # no task of the ledger


def test_schemas_that_differ_have_other_fingerprints():
    names = ("sales.reported", "order.created", "order.updated")
    one, two, three = (fingerprint(event_type(name)) for name in names)

    assert one
    assert one != two
    assert two == fingerprint(event_type("order.created"))
    assert three


def test_a_docstring_makes_no_other_schema_and_a_field_of_any_name_does():
    def kind(name, doc, **fields):
        schema = create_model("Guest", __base__=neural.Payload, __doc__=doc, **fields)
        return neural.EventType(name=name, schema=schema)

    plain = fingerprint(kind("a", "A guest.", title=(str, ...)))

    assert fingerprint(kind("b", "A guest, told otherwise.", title=(str, ...))) == plain
    assert fingerprint(kind("c", "A guest.", description=(str, ...))) != plain
