"""A signal to stop never waits for what the frame that it interrupts has yet to do."""

import signal
import sys
import threading

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from neural.worker import ending


@pytest.fixture(autouse=True)
def _in_no_worker(monkeypatch):
    """Another test may have begun one, whose stop would end this process."""
    monkeypatch.setattr(ending, "_worker", None)


@pytest.fixture
def heard():
    return []


@pytest.fixture
def loop():
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    hub.close()
    set_event_loop(before)


def stopped(heard, frame):
    ending._stop(
        lambda: heard.append("told"), lambda *_: heard.append("celery"), signal.SIGTERM, frame
    )


def frame_of_the_writer(name="celery.concurrency.asynpool"):
    """That of a function which the one that writes jobs has called."""
    found = {"__name__": name, "sys": sys}
    exec("def send(): return sys._getframe()\ndef _write_job(): return send()", found)
    return found["_write_job"]()


def test_in_the_middle_of_a_job_it_is_left_to_the_event_loop(heard, loop):
    stopped(heard, frame_of_the_writer())
    assert heard == ["told"]

    loop.run_once()
    assert heard == ["told", "celery"]


def test_anywhere_else_celery_acts_at_once(heard, loop):
    stopped(heard, sys._getframe())
    stopped(heard, frame_of_the_writer("elsewhere"))

    assert heard == ["told", "celery"] * 2


def test_without_an_event_loop_celery_acts_at_once(heard):
    before = get_event_loop()
    set_event_loop(None)
    try:
        stopped(heard, frame_of_the_writer())
    finally:
        set_event_loop(before)

    assert heard == ["told", "celery"]


def test_a_worker_that_signals_do_not_stop_is_not_stopped_by_a_request(monkeypatch, caplog):
    """It is embedded in another program, which the signal would end."""
    sent = []
    monkeypatch.setattr(ending, "_is_noticing", False)
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: sent.append("signal"))

    ending.stop_softly()

    assert sent == []
    assert "event=stop_not_possible" in caplog.text


def test_a_request_to_stop_reaches_the_main_thread_as_sigterm(monkeypatch):
    sent = []
    monkeypatch.setattr(ending, "_is_noticing", True)
    monkeypatch.setattr(signal, "pthread_kill", lambda *told: sent.append(told))

    ending.stop_softly()

    assert sent == [(threading.main_thread().ident, signal.SIGTERM)]
