"""What work raises, and what can be said of it."""

import pickle
import signal

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.utils.serialization import get_pickleable_exception

from neural.ledger.work_errors import (
    ERROR_LENGTH,
    TRACEBACK_LENGTH,
    AttemptFailed,
    NotAnException,
    describe,
    only_exceptions,
    presentable,
    traceback_of,
)
from tests.probe import misbehaving
from tests.probe.misbehaving import ExitsWhenRead, NoText, Panic, Unpicklable, Unreadable

HOSTILE = {
    "Unreadable": Unreadable,
    "NoText": NoText,
    "ExitsWhenRead": ExitsWhenRead,
    "Unpicklable": Unpicklable,
    "ValueError": lambda: ValueError("é" * 9_000_000),
}
"""By the names of their classes: a failed test could not show the errors themselves."""


class OfItsOwn(str):
    """Text of a class of its own, with methods of its own."""

    def split(self, *arguments):
        raise RuntimeError("no")

    replace = encode = split


class SaysSo(Exception):
    def __str__(self):
        return OfItsOwn("as it says")


class NeedsTwo(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_ordinary_error_is_described_by_its_class_and_message_in_one_line():
    assert describe(ValueError("no\n way")) == "ValueError: no way"
    assert describe(KeyError()) == "KeyError"
    assert describe(SaysSo()) == "SaysSo: as it says"


@pytest.mark.parametrize("name", HOSTILE)
def test_any_error_is_described_in_bounds(name):
    error = HOSTILE[name]()
    text, trace = describe(error), traceback_of(error)

    assert text.startswith(name)
    assert len(text) <= ERROR_LENGTH
    assert name in trace
    assert len(trace) < TRACEBACK_LENGTH + 100


@pytest.mark.parametrize("name", HOSTILE)
def test_celery_is_given_an_error_that_it_can_log_and_send(name):
    """Its pool sends each error to the worker's main process, pickled, and logs it there."""
    error = HOSTILE[name]()
    given = get_pickleable_exception(presentable(error))

    assert type(given) is AttemptFailed
    assert str(given) == describe(error)
    try:
        raise given
    except AttemptFailed:
        sent = pickle.dumps(ExceptionInfo())
    assert name in repr(pickle.loads(sent).exception)
    assert len(sent) < 100_000


@pytest.mark.parametrize("error", [ValueError("no"), NeedsTwo(1, 2), NotAnException("Panic: no")])
def test_an_error_that_can_be_sent_in_celerys_way_is_the_one_it_is_given(error):
    assert presentable(error) is error


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), Panic("no")])
def test_what_is_no_exception_becomes_one(error):
    with pytest.raises(NotAnException) as caught, only_exceptions():
        raise error

    assert caught.value.__cause__ is error
    assert describe(error) in str(caught.value)


@pytest.mark.parametrize("error", [WorkerShutdown(0), WorkerTerminate(1)])
def test_what_asks_the_worker_to_end_passes(error):
    with pytest.raises(type(error)), only_exceptions():
        raise error


def test_the_exit_of_a_process_that_was_told_to_end_passes(monkeypatch):
    """Raised by the signal's handler, wherever the work was just then."""
    monkeypatch.setattr("billiard.common.terminate_handler_fired", lambda: True)

    with pytest.raises(SystemExit), only_exceptions():
        misbehaving.exit_from_within()


def test_an_interrupt_passes_where_a_person_may_have_pressed_ctrl_c(monkeypatch):
    """In the pool's processes, which ignore that signal, it is the work's own."""
    # Whatever started the tests may have had them ignore it: a shell's background, say.
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.default_int_handler)

    with pytest.raises(KeyboardInterrupt), only_exceptions():
        raise KeyboardInterrupt
