"""A plain client's message that is refused ends as a dead letter, and settles no other's run."""

import logging
import math

import pytest
from celery.exceptions import Ignore, Reject
from django.db import OperationalError

import neural
from neural.broker.envelopes import REFUSED_HEADER, refusal
from neural.celeryapp import plain_clients as foreign_messages
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.worker.refusing import MessageRefused
from tests.probe import canvas, tasks
from tests.probe.models import Effect
from tests.unit.celeryapp.test_task import delivered
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db


def receive(task, task_id="foreign", *args, message=None, **kwargs):
    with delivered(task, task_id, foreign=True, **(message or {})) as it:
        return it(*args, **kwargs)


def refused(task, task_id="foreign", *args, raises=MessageRefused, **options):
    with pytest.raises(raises) as raised:
        receive(task, task_id, *args, **options)
    return raised.value


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("\x00", "U+0000"),
        ("\ud800", "half of a surrogate pair"),
        (math.nan, "cannot be written as JSON"),
        (math.inf, "cannot be written as JSON"),
        ("x" * 300_000, "at most 262,144 are kept"),
    ],
)
def test_arguments_that_cannot_be_kept_are_kept_as_a_part_of_their_text(wrong, reason):
    refused(tasks.count, key="k", wrong=wrong)

    letter = TaskRun.objects.get()
    assert (letter.task_id, letter.state, letter.queue) == ("foreign", RunState.DEAD, "default")
    assert reason in letter.error
    assert "'key': 'k'" in letter.kwargs["message"]
    assert len(letter.kwargs["message"]) <= 2000
    assert letter.finished_at is not None
    assert Effect.counts() == {}


def test_a_dead_letter_has_the_attempt_that_it_died_of():
    refused(tasks.count, key="\x00")

    tried = TaskAttempt.objects.get()
    assert (tried.outcome, tried.error) == (AttemptOutcome.FAILED, tried.run.error)


@pytest.mark.parametrize("task_id", ["x" * 256, "a\x00b", "a\ud800", ""])
def test_an_id_that_cannot_be_kept_is_shown_in_the_error_and_the_letter_has_another(task_id):
    refused(tasks.count, task_id, key="k")

    letter = TaskRun.objects.get()
    assert letter.task_id != task_id
    assert letter.kwargs == {"key": "k"}
    assert "a task id" in letter.error
    assert len(letter.error) <= 500
    if task_id:
        assert f"its id was {task_id[:1]!r}"[:-1] in letter.error


def test_a_chord_is_told_of_a_member_that_was_refused():
    chord = dict(canvas.total.s())
    with delivered(tasks.give_back, "foreign", foreign=True, chord=chord, group="g") as task:
        with pytest.raises(MessageRefused):
            task("\x00")
        assert task.request.chord == chord  # Celery counts it as failed


def test_callbacks_that_are_what_was_wrong_are_not_called():
    with delivered(canvas.add, "foreign", foreign=True, errbacks=[5]) as task:
        with pytest.raises(MessageRefused):
            task(1, 2)
        assert task.request.errbacks is None


def test_what_was_refused_at_the_door_is_kept_with_what_it_said():
    header = refusal(reason="its expires is [] and no time", task_id=["x"])
    refused(tasks.count, "a-new-one", key="k", message={REFUSED_HEADER: header})

    letter = TaskRun.objects.get()
    assert letter.task_id not in ("a-new-one", "['x']")
    assert letter.error == "MessageRefused: its expires is [] and no time (its id was \"['x']\")"
    assert (letter.kwargs, letter.options) == ({"key": "k"}, {})


def test_of_what_has_no_arguments_its_text_is_kept_and_nobody_can_run_that():
    header = refusal(reason="no base64", task_id="foreign", content="abcde")
    refused(tasks.count, "foreign", message={REFUSED_HEADER: header})
    letter = TaskRun.objects.get()
    assert letter.kwargs == {"message": "abcde"}

    letter.retry()
    neural.run_due()

    letter.refresh_from_db()
    assert letter.state == RunState.DEAD
    assert "have it sent again, mended" in letter.error


def test_a_letter_whose_arguments_are_whole_can_be_run_by_whoever_decides_so():
    refused(tasks.count, "foreign", key="k", message={"expires": "never"})

    TaskRun.objects.get().retry()
    neural.run_due()

    assert Effect.counts() == {"k": 1}


@pytest.mark.parametrize("task_id", ["foreign", "x" * 300])
def test_a_refused_message_that_comes_again_is_the_same_letter(task_id):
    message = {"properties": {"delivery_tag": "t1"}}
    for _ in range(2):
        refused(tasks.count, task_id, key="\x00", message=message)

    assert TaskRun.objects.count() == TaskAttempt.objects.count() == 1


def test_one_line_tells_of_it(caplog):
    with caplog.at_level(logging.ERROR):
        refused(tasks.count, "foreign", key="\x00", long="x" * 5000)

    (line,) = [each for each in caplog.messages if "event=message_refused" in each]
    assert "run=foreign task=probe.count queue=default" in line
    assert "U+0000" in line
    assert "xxx" not in line


def test_while_the_database_is_away_a_refused_message_goes_back_too(monkeypatch):
    def away(*_, **__):
        raise OperationalError("the database is away")

    monkeypatch.setattr(foreign_messages, "keep_refused", away)
    monkeypatch.setattr(foreign_messages, "FOREIGN_PAUSE_SECONDS", 0)
    monkeypatch.setattr(foreign_messages.dialects, "ledger_connection", lambda: Closed())

    assert refused(tasks.count, key="\x00", raises=Reject).requeue


class Closed:
    def close(self):
        pass


def test_a_queue_that_is_none_is_not_taken_for_one():
    with delivered(tasks.count, "foreign", foreign=True, queue="no-such-queue") as task:
        task(key="k")

    assert TaskRun.objects.get().queue == "default"


def test_whatever_else_is_kept_of_a_refused_message_commits_with_its_letter(monkeypatch):
    """The seam for a task that has more to say of it."""
    heard = []
    task = tasks.count._get_current_object()
    monkeypatch.setattr(
        type(task), "on_refused", lambda _, what, run: heard.append((what, run.task_id))
    )

    refused(tasks.count, key="\x00")

    ((what, run),) = heard
    assert (what.kwargs, run) == ({"key": "\x00"}, "foreign")


# A message settles only its own run


def test_a_message_of_another_task_leaves_a_run_as_it_is(caplog):
    run = make_run(task="probe.count", kwargs={"key": "k"})

    with delivered(canvas.add, run.task_id) as task, pytest.raises(Ignore):
        task()

    run.refresh_from_db()
    assert run.state == RunState.PENDING
    assert f'id={run.task_id} reason="that is a run of probe.count"' in caplog.text


def test_a_late_message_is_no_refusal(caplog):
    run = make_run(task="probe.count", kwargs={"key": "k"}, state=RunState.PENDING)
    with delivered(tasks.count, run.task_id) as task:
        task()
        with pytest.raises(Ignore):
            task()

    assert "message_refused" not in caplog.text


@pytest.mark.parametrize("is_done", [True, False])
def test_the_second_of_two_tasks_under_one_id_is_kept_as_a_letter_and_told(caplog, is_done):
    """A plain client that uses an order's number as task id for two tasks."""
    if is_done:
        receive(tasks.count, "order-7", key="k")
    else:
        make_run(task="probe.count", task_id="order-7", kwargs={"key": "k"})

    refused(canvas.add, "order-7", 1, 2, raises=Ignore)

    letter = TaskRun.objects.dead().get()
    assert (letter.task, letter.args) == ("probe.add", [1, 2])
    assert "was recorded before for other work" in letter.error
    assert "event=message_refused" in caplog.text
    first = TaskRun.objects.get(task_id="order-7")
    assert first.state == (RunState.SUCCEEDED if is_done else RunState.PENDING)


def test_other_arguments_under_one_id_are_other_work():
    receive(tasks.count, "order-7", key="k")
    for _ in range(2):  # and it may come twice
        refused(tasks.count, "order-7", key="other", raises=Ignore)

    assert TaskRun.objects.dead().get().kwargs == {"key": "other"}
    assert Effect.counts() == {"k": 1}


def test_the_same_work_under_one_id_is_a_harmless_duplicate(caplog):
    receive(tasks.count, "order-7", key="k")
    refused(tasks.count, "order-7", key="k", raises=Ignore)

    assert TaskRun.objects.count() == 1
    assert "message_refused" not in caplog.text


def test_recording_a_plain_clients_message_costs_one_statement(django_assert_num_queries):
    foreign = delivered(tasks.count, "foreign", foreign=True)
    with foreign as task, django_assert_num_queries(1):
        task._record((), {"key": "k"})


def test_for_a_run_that_a_message_does_nothing_more_is_looked_up(monkeypatch):
    run = make_run(task="probe.count", kwargs={"key": "k"})
    task = tasks.count._get_current_object()
    monkeypatch.setattr(
        type(task), "_log_another_tasks_run", lambda _: pytest.fail("it was looked up")
    )

    with delivered(tasks.count, run.task_id) as task:
        task()

    assert Effect.counts() == {"k": 1}
