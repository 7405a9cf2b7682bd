"""What Django's tasks framework asks of a backend, of the ledger's and of the framework's own.

Rewritten after tests/tasks of Django 6.0.10 and tests/tests of django-tasks 0.12.0, the backport
(both BSD-3-Clause), so that one suite holds for each backend: ``once`` is the ledger's without
retries, of which theirs know nothing; ``immediate`` and ``dummy`` are the framework's, of which
the first calls a task while it is enqueued and the second never.
"""

import dataclasses
import datetime as dt
import importlib
import logging
import signal
from contextlib import contextmanager

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.checks import run_checks
from django.db import transaction
from django.utils import timezone

import neural
from neural.djangotasks import reference
from neural.djangotasks.reference import signals
from tests.probe import django_tasks as probe

pytestmark = pytest.mark.django_db

framework = importlib.import_module(settings.REFERENCE)
Status = framework.TaskResultStatus
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
every = pytest.mark.parametrize("alias", ["once", "immediate", "dummy"])
deferring = pytest.mark.parametrize("alias", ["once", "dummy"])
"""Those that a task is not done at once by; both know it by its id afterwards."""
performing = pytest.mark.parametrize("alias", ["once", "immediate"])
both_kinds = pytest.mark.parametrize("task", [probe.give_back, probe.give_back_async])


@pytest.fixture(autouse=True)
def _dummy_forgets():
    yield
    framework.task_backends["dummy"].clear()


def performed(task, alias, *args, **kwargs):
    """The result of a task that was enqueued, and then done where the backend waits for that."""
    result = task.using(backend=alias).enqueue(*args, **kwargs)
    if alias == "once":
        neural.run_due()
        result.refresh()
    return result


# Enqueueing


@deferring
@both_kinds
@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_that_is_enqueued_is_ready(alias, task, is_async):
    task = task.using(backend=alias)
    enqueue = async_to_sync(task.aenqueue) if is_async else task.enqueue

    result = enqueue(1, two=3)

    assert (result.status, result.is_finished, result.attempts) == (Status.READY, False, 0)
    assert result.enqueued_at is not None
    assert (result.started_at, result.last_attempted_at, result.finished_at) == (None, None, None)
    assert (result.task, result.backend) == (task, alias)
    assert (result.args, result.kwargs) == ([1], {"two": 3})
    assert (result.errors, result.worker_ids) == ([], [])
    with pytest.raises(ValueError, match="Task has not finished yet"):
        _ = result.return_value


@performing
@both_kinds
@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_that_is_done_is_successful(alias, task, is_async):
    task = task.using(backend=alias)
    result = (async_to_sync(task.aenqueue) if is_async else task.enqueue)(1, two=3)
    if alias == "once":
        neural.run_due()
        async_to_sync(result.arefresh)() if is_async else result.refresh()

    assert (result.status, result.is_finished, result.attempts) == (Status.SUCCESSFUL, True, 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at
    assert result.return_value == [[1], {"two": 3}]
    assert result.task == task
    assert len(result.worker_ids) == 1
    assert result.errors == []


@every
@pytest.mark.parametrize("is_async", [False, True])
def test_arguments_that_are_not_json_are_refused(alias, is_async):
    task = probe.give_back.using(backend=alias)

    with pytest.raises(TypeError, match=r"Unsupported type: <class 'datetime.datetime'>"):
        (async_to_sync(task.aenqueue) if is_async else task.enqueue)(timezone.now())


@every
def test_arguments_are_kept_as_json_has_them(alias):
    result = probe.give_back.using(backend=alias).enqueue((1, 2), text=b"tea")

    assert (result.args, result.kwargs) == ([[1, 2]], {"text": "tea"})


@every
def test_enqueueing_does_not_wait_for_the_callers_transaction(alias):
    with transaction.atomic():
        result = probe.nothing.using(backend=alias).enqueue()

        assert result.enqueued_at is not None


@every
@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_is_validated_again_when_it_is_enqueued(settings, alias, is_async):
    task = probe.nothing.using(backend=alias)
    limited = {**settings.TASKS[alias], "QUEUES": ["other"]}
    settings.TASKS = {**settings.TASKS, alias: limited}

    with pytest.raises(reference.InvalidTask, match="Queue 'default' is not valid for backend"):
        (async_to_sync(task.aenqueue) if is_async else task.enqueue)()


# Outcomes


@performing
@pytest.mark.parametrize(
    ("task", "raised", "last_line"),
    [
        (probe.fail, ValueError, "ValueError: no flour\n"),
        (probe.fail_within, ValueError, "ValueError: no flour\n"),
        (
            probe.fail_of_the_apps_own,
            probe.Spoilt,
            "tests.probe.django_tasks.Spoilt: two days old\n",
        ),
        (probe.leave, SystemExit, "SystemExit: gone home\n"),
    ],
)
def test_a_task_that_raises_has_failed(alias, task, raised, last_line):
    result = performed(task, alias)

    assert (result.status, result.is_finished, result.attempts) == (Status.FAILED, True, 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at is not None
    (error,) = result.errors
    assert error.exception_class is raised
    assert error.traceback.endswith(last_line)
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


@pytest.fixture
def a_terminal():
    """Ctrl-C interrupts, as in a process that was not started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@performing
def test_a_person_who_interrupts_is_heeded(a_terminal, alias):
    with pytest.raises(KeyboardInterrupt):
        performed(probe.interrupt, alias)


@performing
def test_a_return_value_that_is_not_json_is_a_failure(alias):
    result = performed(probe.give_back_no_json, alias)

    assert result.status == Status.FAILED
    assert result._return_value is None
    assert result.errors[0].exception_class is TypeError
    assert "Unsupported type" in result.errors[0].traceback


@performing
@pytest.mark.parametrize(
    ("task", "value"), [(probe.answer, 42), (probe.nothing, None), (probe.give_back_bytes, "茶")]
)
def test_the_return_value_is_as_json_has_it(alias, task, value):
    assert performed(task, alias).return_value == value


@performing
def test_a_task_may_take_its_context(alias):
    result = performed(probe.own_id, alias)

    assert result.return_value == result.id


@performing
def test_the_context_says_which_attempt_it_is(alias):
    assert performed(probe.attempt_number, alias).return_value == 1


# Results by id


@deferring
@pytest.mark.parametrize("is_async", [False, True])
def test_a_result_is_found_by_its_id(alias, is_async):
    task = probe.give_back.using(backend=alias, priority=7)
    result = task.enqueue(1)
    backend = framework.task_backends[alias]

    if is_async:
        found = [async_to_sync(task.aget_result)(result.id)]
        found += [async_to_sync(backend.aget_result)(result.id)]
    else:
        found = [task.get_result(result.id), backend.get_result(result.id)]

    assert found == [result, result]


@deferring
def test_refreshing_changes_nothing_while_nothing_has_changed(alias):
    result = probe.nothing.using(backend=alias).enqueue()
    before = repr(result)

    result.refresh()
    async_to_sync(result.arefresh)()

    assert repr(result) == before


@deferring
def test_an_unknown_id_is_no_result(alias):
    for source in (probe.nothing.using(backend=alias), framework.task_backends[alias]):
        with pytest.raises(reference.TaskResultDoesNotExist):
            source.get_result("123")
        with pytest.raises(reference.TaskResultDoesNotExist):
            async_to_sync(source.aget_result)("123")


@deferring
def test_a_result_of_another_task_is_refused(alias):
    result = probe.answer.using(backend=alias).enqueue()
    other = probe.nothing.using(backend=alias)

    with pytest.raises(framework.exceptions.TaskResultMismatch, match="Task does not match"):
        other.get_result(result.id)
    with pytest.raises(framework.exceptions.TaskResultMismatch, match="Task does not match"):
        async_to_sync(other.aget_result)(result.id)


# Tasks


@every
def test_a_task_is_a_function_of_a_module(alias):
    def inner():
        """Within another one."""

    for function in (any, probe.Spoilt, "text".upper, inner):
        with pytest.raises(reference.InvalidTask, match="defined at a module level"):
            framework.task(backend=alias)(function)


@every
def test_a_task_that_takes_its_context_names_it_first(alias):
    with pytest.raises(reference.InvalidTask, match="first argument of 'context'"):
        framework.task(takes_context=True, backend=alias)(probe.answer.func)


@every
@pytest.mark.parametrize("priority", [-101, 101, 3.1])
def test_a_priority_is_a_whole_number_from_minus_100_to_100(alias, priority):
    task = probe.nothing.using(backend=alias)

    for right in (-100, 0, 100):
        assert task.using(priority=right).priority == right
    with pytest.raises(reference.InvalidTask, match="whole number between -100 and 100"):
        task.using(priority=priority)


@every
def test_a_queue_that_the_backend_does_not_have_is_refused(alias):
    with pytest.raises(reference.InvalidTask, match="Queue 'queue-2' is not valid for backend"):
        probe.nothing.using(backend=alias, queue_name="queue-2")


@deferring
def test_a_time_to_run_after_has_a_zone(alias):
    task = probe.nothing.using(backend=alias)

    assert task.using(run_after=NOW).run_after == NOW
    with pytest.raises(reference.InvalidTask, match="must be an aware datetime"):
        task.using(run_after=NOW.replace(tzinfo=None))


@every
def test_a_backend_that_says_what_it_does_not_support_refuses_it(monkeypatch, alias):
    backend = framework.task_backends[alias]
    names = ("supports_async_task", "supports_priority", "supports_defer")
    for name in names:
        monkeypatch.setattr(backend, name, False)

    for task, why in (
        (probe.give_back_async.using(), "does not support async [Tt]asks"),
        (probe.tidy_up.using(), "does not support setting priority"),
        (dataclasses.replace(probe.nothing, run_after=NOW), "does not support run_after"),
    ):
        with pytest.raises(reference.InvalidTask, match=why):
            backend.validate_task(task)


def test_the_ledgers_backend_supports_all_that_the_framework_knows():
    backend = framework.task_backends["once"]
    said = [name for name in vars(type(backend).__mro__[1]) if name.startswith("supports_")]

    assert len(said) >= 4
    assert all(getattr(backend, name) for name in said)


@every
def test_a_variant_leaves_the_task_as_it_was(alias):
    task = probe.nothing.using(backend=alias)
    variant = task.using(priority=10)

    assert (task.priority, variant.priority, variant.using().priority) == (0, 10, 10)
    assert task.using() == task
    assert task.using() is not task


@every
def test_a_task_is_still_a_function_to_call(alias):
    task, in_time = (each.using(backend=alias) for each in (probe.answer, probe.give_back_async))

    assert task.call() == async_to_sync(task.acall)() == 42
    assert in_time.call(1) == async_to_sync(in_time.acall)(1) == [[1], {}]
    assert (task.name, task.module_path) == ("answer", "tests.probe.django_tasks.answer")
    assert framework.task_backends[alias] is task.get_backend()


# Signals and checks


@pytest.mark.django_db(transaction=True)
@performing
@pytest.mark.parametrize(
    ("task", "end"), [(probe.nothing, Status.SUCCESSFUL), (probe.fail, Status.FAILED)]
)
def test_signals_tell_that_it_was_enqueued_started_and_finished(heard, alias, task, end):
    with heard() as told:
        result = performed(task, alias)

    backend = type(framework.task_backends[alias])
    assert told == [
        ("enqueued", backend, result.id, Status.READY),
        ("started", backend, result.id, Status.RUNNING),
        ("finished", backend, result.id, end),
    ]


@pytest.mark.django_db(transaction=True)
@performing
def test_the_frameworks_log_has_a_line_for_each(logged, alias):
    result = performed(probe.nothing, alias)

    lines = [record.getMessage() for record in logged]
    assert [result.id in line for line in lines] == [True] * 3
    for line, said in zip(lines, ("enqueued", "state=RUNNING", "state=SUCCESSFUL"), strict=True):
        assert said in line
        assert "None" not in line


@every
def test_a_backend_that_is_set_up_well_passes_its_checks(alias):
    assert list(framework.task_backends[alias].check()) == []
    assert [each for each in run_checks() if "TASKS" in each.msg] == []


@pytest.fixture
def logged(monkeypatch):
    """Records of the framework's own log."""
    records = []
    logger = logging.getLogger(settings.REFERENCE)
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    monkeypatch.setattr(logger, "handle", records.append)
    logger.manager._clear_cache()
    yield records
    monkeypatch.undo()
    logger.manager._clear_cache()


@pytest.fixture
def heard():
    """`with heard() as told`: what the framework's signals tell within."""

    @contextmanager
    def listening():
        told = []
        names = ("enqueued", "started", "finished")
        listeners = [(getattr(signals, f"task_{name}"), _listener(name, told)) for name in names]
        for sent, listener in listeners:
            sent.connect(listener, weak=False)
        try:
            yield told
        finally:
            for sent, listener in listeners:
                sent.disconnect(listener)

    return listening


def _listener(name, told):
    def listen(sender, task_result, **_):
        told.append((name, sender, task_result.id, task_result.status))

    return listen
