"""Django's tasks on the ledger: what its backend promises beyond the framework's contract."""

import datetime as dt
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from billiard.exceptions import WorkerLostError
from celery import current_app, shared_task
from celery._state import _get_active_apps
from celery.exceptions import TaskRevokedError
from django.conf import settings
from django.db import transaction
from django.utils import timezone

import neural
from neural.djangotasks import reference, registry
from neural.djangotasks.backend import ledger_priority, queue_for
from neural.djangotasks.reference import signals
from neural.kit.stored_json import NotStorable
from neural.ledger.claim import Claimant, claim
from neural.ledger.settle import mark_lost, release
from neural.models import TaskRun
from tests.probe import django_tasks as probe
from tests.probe.models import Effect
from tests.unit.factories import make_run, make_worker

framework = importlib.import_module(settings.REFERENCE)
Status = framework.TaskResultStatus
ROOT = Path(__file__).parents[3]
LATER = dt.timedelta(minutes=30)


def enqueue(task, *args, alias="default", **kwargs):
    return task.using(backend=alias).enqueue(*args, **kwargs)


def refreshed(result):
    result.refresh()
    return result


@pytest.fixture
def finished():
    """Statuses that `task_finished` tells."""
    told = []

    def listen(task_result, **_):
        told.append(task_result.status)

    signals.task_finished.connect(listen, weak=False)
    yield told
    signals.task_finished.disconnect(listen)


# Where it goes


def test_priorities_keep_their_order_with_the_ends_and_the_middle_at_the_ledgers():
    mapped = [ledger_priority(each) for each in range(-100, 101)]

    assert mapped == sorted(mapped)
    assert set(mapped) == set(range(1, 11))
    assert (ledger_priority(-100), ledger_priority(0), ledger_priority(100)) == (1, 5, 10)


@pytest.mark.parametrize(
    ("name", "priority", "queue"),
    [
        ("default", 0, "default"),
        ("default", 49, "default"),
        ("default", 50, "high_priority"),
        ("default", -49, "default"),
        ("default", -50, "low_priority"),
        ("low_priority", 100, "low_priority"),
        ("letters", 100, "low_priority"),
    ],
)
def test_the_queue_is_that_of_the_name_and_the_default_one_is_left_by_priority(
    name, priority, queue
):
    assert queue_for(name, priority, {"letters": "low_priority"}) == queue


@pytest.mark.django_db
def test_a_run_says_what_its_task_asked_for():
    enqueue(probe.tidy_up, "dust")
    enqueue(probe.tidy_up.using(priority=100), "fire")
    probe.nothing.using(backend="atomic", queue_name="letters").enqueue()

    columns = TaskRun.objects.order_by("pk").values_list("task", "queue", "priority", "args")
    assert list(columns) == [
        ("tests.probe.django_tasks.tidy_up", "low_priority", 3, ["dust"]),
        ("tests.probe.django_tasks.tidy_up", "high_priority", 10, ["fire"]),
        ("tests.probe.django_tasks.nothing", "low_priority", 5, []),
    ]


@pytest.mark.django_db
def test_the_most_urgent_is_done_first():
    for priority in (-20, 40, 0):
        enqueue(probe.leave_effect.using(priority=priority), str(priority))

    neural.run_due()

    assert list(Effect.objects.order_by("pk").values_list("key", flat=True)) == ["40", "0", "-20"]


@pytest.mark.django_db
def test_a_queue_that_celery_does_not_have_is_refused_with_the_remedy(settings):
    settings.TASKS = {**settings.TASKS, "default": {**settings.TASKS["default"], "QUEUES": []}}

    with pytest.raises(reference.InvalidTask, match=r"no Celery queue 'nowhere'.*OPTIONS"):
        enqueue(probe.nothing.using(queue_name="nowhere"))

    assert not TaskRun.objects.exists()


@pytest.mark.django_db
def test_a_task_waits_for_its_time(fake_broker, django_capture_on_commit_callbacks):
    after = timezone.now() + dt.timedelta(minutes=10)
    with django_capture_on_commit_callbacks(execute=True):
        result = enqueue(probe.answer.using(run_after=after))

    assert neural.run_due() == []
    assert fake_broker.sent == []
    assert TaskRun.objects.get().available_at == after
    neural.run_due(now=after)
    assert refreshed(result).return_value == 42
    assert probe.answer.get_result(result.id).task.run_after == after


@pytest.mark.django_db
def test_a_time_that_has_passed_waits_for_nothing(fake_broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        enqueue(probe.answer.using(run_after=timezone.now() - LATER))

    assert len(fake_broker.sent) == 1


# What is accepted


@pytest.mark.django_db(transaction=True)
def test_a_task_is_accepted_published_and_told_of_when_its_transaction_commits(fake_broker):
    told = []

    def listen(task_result, **_):
        told.append(task_result.id)

    signals.task_enqueued.connect(listen)
    with transaction.atomic():
        result = enqueue(probe.answer)
        assert (told, fake_broker.sent) == ([], [])

    assert told == [result.id]
    assert [(message.task_id, message.task) for message in fake_broker.sent] == [
        (result.id, "tests.probe.django_tasks.answer")
    ]


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_transaction_is_undone_was_never_there(fake_broker):
    told = []

    def listen(task_result, **_):
        told.append(task_result.id)

    signals.task_enqueued.connect(listen)
    with transaction.atomic():
        result = enqueue(probe.answer)
        transaction.set_rollback(True)

    assert (told, fake_broker.sent) == ([], [])
    with pytest.raises(reference.TaskResultDoesNotExist):
        probe.answer.get_result(result.id)


@pytest.mark.django_db(transaction=True)
def test_a_task_is_accepted_while_the_broker_is_away(fake_broker):
    fake_broker.away = True

    result = enqueue(probe.answer)

    assert probe.answer.get_result(result.id).status == Status.READY


@pytest.mark.django_db
def test_arguments_that_the_ledger_cannot_keep_are_refused():
    for value, why in ((float("nan"), "JSON"), ("\x00", "U[+]0000"), ("x" * 300_000, "bytes")):
        with pytest.raises(NotStorable, match=why):
            enqueue(probe.give_back, value)


@pytest.mark.django_db
def test_a_task_that_another_task_enqueues_is_its_child():
    parent = enqueue(probe.order_tea, "tea")

    neural.run_due()

    child = TaskRun.objects.get(task="tests.probe.django_tasks.leave_effect")
    assert child.parent_task_id == parent.id
    assert Effect.counts() == {"tea": 1}


# Attempts


@pytest.mark.django_db
def test_a_task_that_failed_is_ready_to_be_run_again_as_the_settings_have_it():
    result = enqueue(probe.attempt_number, 1)

    (outcome,) = neural.run_due()
    refreshed(result)

    assert (result.status, result.is_finished, result.attempts) == (Status.READY, False, 1)
    assert result.errors[0].exception_class is ConnectionError
    assert dt.timedelta(seconds=30) <= outcome.due_at - outcome.finished_at
    assert outcome.due_at - outcome.finished_at <= dt.timedelta(seconds=60)
    first = result.started_at
    neural.run_due(now=timezone.now() + LATER)
    refreshed(result)
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, 2, 2)
    assert len(result.errors) == 1
    assert result.started_at == first < result.last_attempted_at <= result.finished_at


@pytest.mark.django_db
@pytest.mark.parametrize(("alias", "attempts"), [("default", 4), ("atomic", 2), ("once", 1)])
def test_an_alias_says_how_often_a_task_is_tried_again(alias, attempts):
    result = enqueue(probe.fail, alias=alias)

    for hours in range(9):
        neural.run_due(now=timezone.now() + dt.timedelta(hours=hours))

    assert (refreshed(result).status, result.attempts) == (Status.FAILED, attempts)
    assert len(result.errors) == attempts


@pytest.mark.django_db
def test_an_alias_says_how_long_a_task_waits_until_it_is_tried_again():
    enqueue(probe.fail, alias="atomic")

    (outcome,) = neural.run_due()

    assert outcome.due_at - outcome.finished_at == dt.timedelta(seconds=7)


@pytest.mark.django_db
@pytest.mark.parametrize(("alias", "left"), [("atomic", {}), ("once", {"tea": 1})])
def test_an_atomic_task_that_fails_leaves_nothing_behind(alias, left):
    enqueue(probe.leave_effect, "tea", then_fail=True, alias=alias)

    neural.run_due()

    assert Effect.counts() == left


@pytest.mark.django_db
@pytest.mark.parametrize(
    "result",
    [
        lambda: enqueue(probe.give_back_no_json),
        lambda: enqueue(probe.tidy_up, "one", "too many"),
        lambda: enqueue(probe.own_id, "not its context"),
    ],
)
def test_what_would_fail_each_time_is_not_tried_again(result):
    result = result()

    neural.run_due()

    assert (refreshed(result).status, result.attempts) == (Status.FAILED, 1)


@pytest.mark.django_db
def test_arguments_beside_a_context_fit_as_they_are():
    result = enqueue(probe.attempt_number, fail_times=0)

    neural.run_due()

    assert refreshed(result).return_value == 1


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_worker_died_says_so_and_is_finished_as_a_poison(fake_broker, finished):
    result = enqueue(probe.answer)
    worker = make_worker("kitchen@host")
    for losses in (1, 2):
        claim(task_id=result.id, claimant=Claimant(worker.pk, 77))
        mark_lost(TaskRun.objects.running(), max_losses=2, why="its process was killed")
        assert refreshed(result).attempts == losses

    assert result.status == Status.FAILED
    assert [error.exception_class for error in result.errors] == [WorkerLostError] * 2
    assert result.worker_ids == ["kitchen@host/77"] * 2
    assert finished == [Status.FAILED]
    worker.delete()
    assert refreshed(result).worker_ids == ["process/77"] * 2


@pytest.mark.django_db
def test_a_task_that_a_stopping_worker_releases_has_had_no_attempt():
    result = enqueue(probe.answer)
    claim(task_id=result.id, claimant=Claimant(None, 77))
    assert (refreshed(result).status, result.attempts) == (Status.RUNNING, 1)

    release(TaskRun.objects.running(), why="its worker stops")

    assert (refreshed(result).status, result.attempts) == (Status.READY, 0)
    assert (result.errors, result.started_at) == ([], None)


@pytest.mark.django_db(transaction=True)
def test_a_task_is_finished_once_however_often_it_was_tried(fake_broker, finished):
    enqueue(probe.attempt_number, 1)

    neural.run_due()
    assert finished == []
    neural.run_due(now=timezone.now() + LATER)

    assert finished == [Status.SUCCESSFUL]


@pytest.mark.django_db
def test_a_task_that_a_person_withdraws_has_failed_and_says_why():
    result = enqueue(probe.answer)

    TaskRun.objects.get().cancel()

    assert (refreshed(result).status, result.attempts) == (Status.FAILED, 0)
    assert [error.exception_class for error in result.errors] == [TaskRevokedError]


@pytest.mark.django_db
def test_a_dead_task_that_a_person_retries_is_ready_again_with_what_it_failed_of():
    result = enqueue(probe.fail, alias="once")
    neural.run_due()

    TaskRun.objects.get().retry()

    assert (refreshed(result).status, len(result.errors)) == (Status.READY, 1)
    assert result.finished_at is None


# Celery


def forget(path):
    registry._known.pop(path)
    for app in _get_active_apps():  # those that other tests made may live on
        app._tasks.pop(path, None)


@pytest.mark.django_db(transaction=True)
def test_celery_knows_the_task_by_its_path_with_what_the_decorator_says(fake_broker, finished):
    task = current_app.tasks["tests.probe.django_tasks.tidy_up"]

    sent = task.delay("dust")
    neural.run_due()

    run = TaskRun.objects.get()
    assert (run.queue, run.priority) == ("low_priority", 3)
    result = probe.tidy_up.get_result(sent.id)
    assert (result.status, result.task) == (Status.SUCCESSFUL, probe.tidy_up)
    assert finished == [Status.SUCCESSFUL]
    assert Effect.counts() == {"dust": 1}


@pytest.mark.django_db
def test_the_run_of_another_ledger_task_is_no_result():
    run = make_run(task="probe.count")

    with pytest.raises(reference.TaskResultDoesNotExist):
        framework.task_backends["default"].get_result(run.task_id)


def of_two_kinds():
    """A function of which a Celery task and a Django task are made."""


@pytest.mark.django_db
def test_a_celery_task_of_the_same_name_is_not_called_in_its_place():
    name = f"{__name__}.of_two_kinds"
    current_app.finalize()  # from then on the first of two tasks has the name
    shared_task(name=name)(of_two_kinds)
    try:
        task = framework.task(of_two_kinds)
        with pytest.raises(reference.InvalidTask, match="a Celery task has this name already"):
            task.enqueue()
    finally:
        forget(name)

    assert not TaskRun.objects.exists()


@pytest.mark.django_db
def test_a_result_is_read_where_the_tasks_module_was_not_imported(tmp_path, monkeypatch):
    module = tmp_path / "bakery.py"
    module.write_text(
        f"from {settings.REFERENCE} import task\n\n@task\ndef bake():\n    return 'bread'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    bakery = importlib.import_module("bakery")
    result = bakery.bake.enqueue()
    neural.run_due()
    forget("bakery.bake")
    monkeypatch.delitem(sys.modules, "bakery")

    found = framework.task_backends["default"].get_result(result.id)

    assert found.return_value == "bread"
    forget("bakery.bake")


def test_a_task_may_be_decorated_before_django_has_loaded_its_models():
    """As in an app whose models import its tasks."""
    script = f"""
        from django.conf import settings
        settings.configure(
            INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
                            "django_celery_beat", "neural"],
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3"}}}},
            NEURAL={{"search": False}},
            TASKS={{"default": {{"BACKEND": "neural.djangotasks.backend.LedgerBackend"}}}},
        )
        from {settings.REFERENCE} import task

        @task
        def early():
            pass

        import django
        django.setup()
        from celery import current_app
        print(type(current_app.tasks["__main__.early"]).__mro__[1].__name__)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert (done.stdout.strip(), done.returncode) == ("DjangoTask", 0), done.stderr


# Checks


def checked(settings, **params):
    settings.TASKS = {
        **settings.TASKS,
        "default": {"BACKEND": "neural.djangotasks.backend.LedgerBackend", **params},
    }
    return [(each.id, each.msg) for each in framework.task_backends["default"].check()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_retry": 1}, "settings.TASKS['default']['OPTIONS']['max_retry']: Extra inputs"),
        ({"retry_jitter": 2}, "['OPTIONS']['retry_jitter']: Input should be less than or equal"),
        ("atomic", "settings.TASKS['default']['OPTIONS']: Input should be a valid dictionary"),
    ],
)
def test_an_option_that_is_wrong_is_named_by_a_check(settings, options, said):
    ((number, message),) = checked(settings, OPTIONS=options)

    assert number == "neural.E020"
    assert said in message
    with pytest.raises(reference.InvalidTaskBackend, match="OPTIONS"):
        enqueue(probe.nothing)


def test_a_queue_that_celery_does_not_have_is_named_by_a_check(settings):
    mapped = {"letters": "post"}

    found = checked(settings, QUEUES=["default", "letters"], OPTIONS={"queues": mapped})

    assert [number for number, _ in found] == ["neural.E021"]
    assert "no Celery queue 'post'" in found[0][1]
    assert "'letters'" in found[0][1]
    assert checked(settings, QUEUES=["letters"], OPTIONS={"queues": {"letters": "default"}}) == []
