"""One log line a transition, with the ids of event and run, and nothing of what was in them."""

import logging
import re

import pytest
from celery import current_app
from django.core.management import call_command
from pydantic import ValidationError

import neural
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.settle import mark_lost, release
from neural.models import RunState, TaskRun
from neural.runs.models.run_log import LONGEST_LIST_BYTES, log_change, pairs
from neural.worker import relay
from tests.probe.acting import Order
from tests.probe.tasks import count
from tests.unit.factories import ago, make_event, make_run, make_worker
from zhilian.logs import KeyValueFormatter

pytestmark = pytest.mark.django_db

SECRET = "4929-secret-card"  # what a payload holds and no log may


@pytest.fixture(autouse=True)
def everything(caplog):
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """A block whose commit is carried out."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def submit(key="1001", kind="probe.counted", **payload):
    return neural.submit(
        type=kind,
        store="S01",
        source="till",
        event_id=key,
        payload={"key": key, "note": SECRET, **payload},
    ).or_raise()


def logged(caplog, name: str) -> dict[str, str]:
    """The one line `event=<name> …`, as a dictionary."""
    lines = [each.getMessage() for each in caplog.records if f"event={name} " in each.getMessage()]
    assert len(lines) == 1, caplog.text
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', lines[0]))


def level(caplog, name: str) -> str:
    return next(each.levelname for each in caplog.records if f"event={name} " in each.getMessage())


def is_about(line, run, event_id="1001") -> bool:
    who = {"event_id": event_id, "source": "till", "store": "S01"}
    return {"run": run.task_id, **who}.items() <= line.items()


def take(*runs, **options):
    task_id = runs[0].task_id
    return claim(task_id=task_id, claimant=Claimant(), queue=runs[0].queue, **options)


def work_off(*runs):
    """As a worker does."""
    task = current_app.tasks[runs[0].task]
    return run_claimed(task, take(*runs, batchable=task.batchable(), limit=50))


def test_recorded(fake_broker, committed, caplog):
    with committed():
        event = submit()

    assert is_about(logged(caplog, "run_recorded"), event.runs.get())
    assert logged(caplog, "run_recorded")["work"] == "probe.count"


def test_nothing_is_told_of_what_was_rolled_back(fake_broker, caplog):
    submit()

    assert "run_recorded" not in caplog.text


def test_an_event_that_nobody_handles(fake_broker, committed, caplog):
    with committed():
        submit(kind="probe.unhandled")

    assert logged(caplog, "event_unhandled")["event_id"] == "1001"


def test_a_task_recorded(fake_broker, committed, caplog):
    with committed():
        result = count.apply_async(kwargs={"key": SECRET}, requested_by="lee")

    line = logged(caplog, "run_recorded")
    assert (line["run"], line["work"], line["by"]) == (result.id, "probe.count", "lee")


def test_started_and_succeeded(fake_broker, caplog):
    run = submit(result=SECRET).runs.get()

    work_off(run)

    assert is_about(logged(caplog, "run_started"), run)
    line = logged(caplog, "run_succeeded")
    assert is_about(line, run)
    assert line["attempt"] == "1"
    assert float(line["seconds"]) >= 0


def test_what_started_and_succeeded_together_is_told_together(fake_broker, caplog):
    runs = [submit(str(number)).runs.get() for number in range(5)]

    work_off(*runs)

    for name in ("runs_started", "runs_succeeded"):
        line = logged(caplog, name)
        assert line["runs"] == "5"
        named = {f"{run.task_id}:S01/till/{number}" for number, run in enumerate(runs)}
        assert set(line["each"].split(",")) == named


def test_one_of_a_batch_that_fails_has_a_line_of_its_own(fake_broker, caplog):
    runs = [submit(str(number), fail_times=number == 1).runs.get() for number in range(3)]

    work_off(*runs)

    assert logged(caplog, "runs_succeeded")["runs"] == "2"
    assert is_about(logged(caplog, "run_failed"), runs[1], "1")


def test_failed_with_the_time_of_the_retry(fake_broker, caplog):
    run = submit(fail_times=1).runs.get()

    work_off(run)

    line = logged(caplog, "run_failed")
    run.refresh_from_db()
    assert is_about(line, run)
    assert line["error"] == '"Failing: failure 1 of 1"'
    assert line["retry_at"] == run.available_at.isoformat(timespec="seconds")
    assert level(caplog, "run_failed") == "WARNING"


def test_dead(fake_broker, caplog):
    run = submit(permanent=True).runs.get()

    work_off(run)

    line = logged(caplog, "run_dead")
    assert is_about(line, run)
    assert "NeverAgain" in line["error"]
    assert level(caplog, "run_dead") == "ERROR"


def test_lost_and_at_last_dead(committed, caplog):
    event = make_event("1001", source="till")
    run = make_run(RunState.RUNNING, event=event, store=event.store, losses=3, process_id=77)

    with committed():
        mark_lost([run], max_losses=4, why="its process died")

    assert is_about(logged(caplog, "run_lost"), run)
    assert logged(caplog, "run_lost")["losses"] == "4"
    assert is_about(logged(caplog, "run_dead"), run)


def test_released(committed, caplog):
    event = make_event("1001", source="till")
    run = make_run(RunState.RUNNING, event=event, store=event.store)

    with committed():
        release([run], why="its worker was stopped")

    assert is_about(logged(caplog, "run_released"), run)


def test_a_worker_that_was_fenced_off(fake_broker, caplog):
    run = submit().runs.get()
    (taken,) = take(run)
    TaskRun.objects.update(token=1)

    run_claimed(current_app.tasks[run.task], [taken])

    assert is_about(logged(caplog, "run_fenced"), run)
    assert "run_succeeded" not in caplog.text


@pytest.mark.parametrize(
    ("state", "verb", "name"),
    [
        (RunState.DEAD, "retry", "run_retried"),
        (RunState.PENDING, "hurry", "run_hurried"),
        (RunState.PENDING, "cancel", "run_cancelled"),
        (RunState.RUNNING, "revoke", "run_revoked"),
        (RunState.DEAD, "discard", "run_discarded"),
    ],
)
def test_what_people_do(state, verb, name, committed, caplog):
    event = make_event("1001", source="till")
    run = make_run(state, event=event, store=event.store)

    with committed():
        assert getattr(TaskRun.objects.get(pk=run.pk), verb)()

    assert is_about(logged(caplog, name), run)


def test_what_could_not_be_done_is_not_told(committed, caplog):
    with committed():
        assert not make_run(RunState.SUCCEEDED).cancel()

    assert "run_cancelled" not in caplog.text


def test_published_by_the_relay(fake_broker, caplog):
    event = make_event("1001", source="till")
    run = make_run(event=event, store=event.store, publish_at=ago(seconds=1))

    relay.publish_unpublished(fake_broker)

    assert is_about(logged(caplog, "run_published"), run)


def test_expired(fake_broker, caplog):
    run = make_run(task="probe.count", options={"expires_at": ago(seconds=1).isoformat()})

    work_off(run)

    assert logged(caplog, "run_expired")["run"] == run.task_id


# Nothing of what was in them


def test_no_line_says_what_an_event_or_a_result_held(fake_broker, committed, caplog):
    with committed():
        runs = [submit("1", result=SECRET).runs.get(), submit("2", fail_times=1).runs.get()]
        runs += [submit("3", permanent=True).runs.get(), submit("4").runs.get()]
        count.apply_async(kwargs={"key": SECRET})
        make_worker()

    work_off(*runs)
    relay.publish_unpublished(fake_broker)

    assert "event=run_failed" in caplog.text
    assert SECRET not in caplog.text


def test_what_is_wrong_with_a_payload_is_told_without_the_payload():
    with pytest.raises(ValidationError) as wrong:
        Order.model_validate({"key": [SECRET], "note": SECRET})

    assert "valid string" in str(wrong.value)
    assert SECRET not in str(wrong.value)


def test_celerys_line_of_a_success_does_not_repeat_the_result(caplog):
    from zhilian.logs import without_result

    line = "%(name)s succeeded: %(return_value)s"
    context = {"name": "a", "return_value": SECRET}
    record = logging.LogRecord("celery.app.trace", logging.INFO, "", 0, line, (context,), None)

    assert without_result(record)
    assert KeyValueFormatter().format(record).endswith("a succeeded: …")


def test_that_filter_is_on_celerys_logger(settings):
    assert settings.LOGGING["loggers"]["celery.app.trace"]["filters"] == ["without_result"]


# The form of a line


def test_an_event_id_cannot_forge_a_line_or_a_value(fake_broker, committed, caplog):
    with committed():
        submit('x" run=other\nlevel=error')

    assert logged(caplog, "run_recorded")["run"] != "other"
    assert "\nlevel=error" not in caplog.text


def test_a_line_is_short_enough_not_to_be_torn(fake_broker, caplog):
    event = make_event("1001", source="till")
    runs = [make_run(event=event, handler=f"h{n}", store=event.store) for n in range(200)]
    for run in runs:
        run.handler = "h"

    log_change("published", runs)

    lines = [each.getMessage() for each in caplog.records if "runs_published" in each.getMessage()]
    assert len(lines) > 1
    assert all(len(line) < LONGEST_LIST_BYTES + 300 for line in lines)
    assert sum(line.count(":S01/till/1001") for line in lines) == 200


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ("红烧肉", "红烧肉"),
        ("a\nb", r'"a\nb"'),
        (0.12345, "0.123"),
    ],
)
def test_values_are_quoted_where_they_must_be(value, shown):
    assert pairs({"key": value}) == f"key={shown}"


# Commands


def test_a_command_says_itself_what_it_did(fake_broker, committed, caplog):
    options = ["--type", "probe.counted", "--store", "S1", "--source", "till"]
    before = logging.getLogger("neural").level
    with committed():
        call_command("submit_event", *options, "--event-id", "1", "--payload", '{"key": "1"}')

    assert "run_recorded" not in caplog.text
    assert logging.getLogger("neural").level == before != logging.WARNING


def test_with_verbosity_2_the_lines_are_shown_too(fake_broker, committed, caplog):
    options = ["--type", "probe.counted", "--store", "S1", "--source", "till", "--verbosity", "2"]
    with committed():
        call_command("submit_event", *options, "--event-id", "1", "--payload", '{"key": "1"}')

    assert logged(caplog, "run_recorded")["event_id"] == "1"
