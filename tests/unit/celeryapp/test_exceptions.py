"""An exception comes back as it was raised, and no other class than one that tasks know."""

import datetime as dt
import sys
from decimal import Decimal
from types import ModuleType

import pytest
from celery import current_app
from celery.exceptions import Reject
from celery.result import AsyncResult
from celery.utils.serialization import UnpickleableExceptionWrapper

from neural.celeryapp.celery_view import was_delivered
from neural.celeryapp.results import DatabaseResults
from neural.ledger.claim import Claimant, claim
from neural.models import TaskAttempt, TaskRun
from tests.unit.celeryapp.canvas import ledger_task, run_all

pytestmark = pytest.mark.django_db


class Custom(Exception):
    """With two arguments."""


class Composed(Exception):
    """Keeps another argument than it takes."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")


class Outer:
    class Nested(Exception):
        pass


@pytest.fixture(autouse=True)
def _backend(monkeypatch, fake_broker):
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(app=current_app))


def failed_with(error, facts=None):
    """The result of a run that raised this, whose attempt may say something else."""

    def fail():
        raise error

    with ledger_task(fail, max_retries=0) as task:
        result = task.delay()
        run_all()
        if facts:
            TaskAttempt.objects.update(exception_facts=facts)
        return AsyncResult(result.id).result


@pytest.mark.parametrize(
    "error",
    [
        Custom("of two", 7),
        Custom(),
        Custom("a: b"),
        Outer.Nested("nested", [1, {"a": None}]),
        Custom(Decimal("1.50"), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
        KeyError("key"),
        ValueError("面", 2),
        OSError(2, "No such file or directory", "bill.txt"),
    ],
    ids=repr,
)
def test_class_and_arguments_are_those_that_were_raised(error):
    found = failed_with(error)

    assert type(found) is type(error)
    assert found.args == error.args
    assert str(found) == str(error)


def test_an_oserror_has_its_number_and_file():
    found = failed_with(FileNotFoundError(2, "No such file", "bill.txt"))

    assert (found.errno, found.filename) == (2, "bill.txt")


def test_a_class_that_takes_other_arguments_than_it_keeps_is_caught_too():
    found = failed_with(Composed(7, "bad"))

    assert isinstance(found, Composed)
    assert (type(found).__name__, str(found), found.args) == ("Composed", "7: bad", ("7: bad",))


def test_a_class_that_takes_other_arguments_than_it_keeps_is_caught_as_celerys_wrapper_too():
    found = failed_with(Composed(7, "bad"))

    assert isinstance(found, UnpickleableExceptionWrapper)
    assert (found.exc_cls_name, found.exc_args) == ("Composed", ("7: bad",))
    assert type(failed_with(Composed(8, "worse"))) is type(found)
    assert not isinstance(failed_with(Custom("of one")), UnpickleableExceptionWrapper)


def test_an_error_that_cannot_be_made_again_has_its_name_and_arguments():
    found = failed_with(ExceptionGroup("several", [KeyError("one")]))

    assert (type(found).__name__, found.args) == (
        "ExceptionGroup",
        ("several", "[KeyError('one')]"),
    )


def test_what_is_no_json_comes_back_as_text():
    found = failed_with(Custom(object, "x" * 20_000, "y"))

    assert isinstance(found, Custom)
    assert [len(each) for each in found.args] == [len(str(object)), 255, 1]


def test_an_attempt_from_before_has_what_its_text_says():
    found = failed_with(Custom("old", 1), {"type": "x.Custom"})

    assert isinstance(found, Custom)
    assert found.args == ("('old', 1)",)


# What an attempt says that somebody has forged


def forged(module, name, *arguments):
    raised = {"exc_module": module, "exc_type": name, "exc_message": list(arguments)}
    return failed_with(Custom("forged"), {"raised": raised})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "SystemExit"),
        ("builtins", "object"),
        (__name__, "Outer"),
        (__name__, "Custom.mro"),
        ("nowhere", "Error"),
    ],
)
def test_what_is_no_subclass_of_exception_is_never_called(module, name, tmp_path):
    found = forged(module, name, f"touch {tmp_path}/called")

    assert (type(found).__name__, type(found).__mro__[1]) == (name, Exception)
    assert not list(tmp_path.iterdir())


def test_a_module_that_no_task_imports_is_not_looked_into(monkeypatch):
    loaded = ModuleType("loaded_elsewhere")
    loaded.Error = type("Error", (Exception,), {"__module__": loaded.__name__})
    monkeypatch.setitem(sys.modules, loaded.__name__, loaded)

    assert not isinstance(forged(loaded.__name__, "Error", "x"), loaded.Error)


def test_nothing_is_imported():
    sys.modules.pop("this", None)

    forged("this", "Error", "x")

    assert "this" not in sys.modules


# Redelivered


def test_a_run_that_comes_again_is_redelivered_and_a_retry_is_not():
    seen = []

    def reject(self):
        seen.append(self.request.delivery_info["redelivered"])
        if len(seen) == 1:
            raise KeyError
        raise Reject("not yet", requeue=not seen[-1])

    with ledger_task(reject, bind=True) as task:
        task.delay()
        run_all()

    assert seen == [False, False, True]


def test_whether_a_claimed_run_comes_again_costs_a_first_attempt_no_statement(
    django_assert_num_queries,
):
    def work():
        pass

    with ledger_task(work) as task:
        task.delay()
        (run,) = claim(task_id=TaskRun.objects.get().task_id, claimant=Claimant())

    with django_assert_num_queries(0):
        assert not was_delivered(run)
