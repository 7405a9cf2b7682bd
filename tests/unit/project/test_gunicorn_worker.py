"""The worker of gunicorn: who waits for a request that has not arrived whole, and how long."""

import logging
import os
import socket
import time
from concurrent.futures import Future
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from tests.ports import HOST
from zhilian import gunicorn_worker
from zhilian.gunicorn_worker import CLOSE_SECONDS, QUEUE_SECONDS, WAIT_SECONDS, BufferingWorker

POST = b"POST /admin/ HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n10\r\nuse"
TEXT = POST + b"Content-Type: text/plain\r\nContent-Length: 9\r\n\r\na"
FORM = TEXT.replace(b"text/plain", b"application/x-www-form-urlencoded")
LARGE = FORM.replace(b": 9", b": 9999999999999999999")
HEADERS = POST + b"Content-Len"


class Threads:
    """A pool of threads that keeps what it is given."""

    def __init__(self):
        self.given = {}

    def submit(self, handle, conn):
        self.given[conn] = Future()
        return self.given[conn]


class Clock:
    def __init__(self):
        self.now = time.monotonic()

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    mine = Clock()
    for module in (gunicorn_worker, "gunicorn.workers.gthread"):
        target = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{target}.time", mine)
    return mine


@pytest.fixture
def worker(clock):
    """One of whose two threads may wait."""
    config = Config()
    config.set("threads", 2)
    made = BufferingWorker(1, os.getpid(), [], None, 30, config, logging.getLogger("gunicorn"))
    made.poller, made.tpool = DefaultSelector(), Threads()
    made.method_queue.init()
    made.poller.register(made.method_queue.fileno(), EVENT_READ, made.method_queue.run_callbacks)
    yield made
    made.poller.close()
    made.method_queue.close()
    made.tmp.close()


@pytest.fixture
def opened(worker):
    """Opens a connection on which a client has sent this."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server((HOST, 0)))

        def connection(sent):
            client = sockets.enter_context(socket.create_connection(listener.getsockname()))
            client.sendall(sent)
            server = sockets.enter_context(listener.accept()[0])
            worker.nr_conns += 1
            conn = TConn(worker.cfg, server, ("", 0), ("", 0))
            conn.client_end = client
            worker.enqueue_req(conn)
            return conn

        yield connection


def look(worker, *, timeout=0):
    """As the main loop does."""
    worker.wait_for_and_dispatch_events(timeout)
    worker.murder_pending()


@pytest.mark.parametrize("sent", [HEADERS, FORM, TEXT])
def test_what_is_short_gets_a_thread_when_it_is_whole(worker, opened, sent):
    conn = opened(sent)
    look(worker)
    assert not worker.tpool.given

    rest = b"gth: 1\r\n\r\na" if sent is HEADERS else b"12345678"
    conn.client_end.sendall(rest)
    look(worker, timeout=10)

    assert list(worker.tpool.given) == [conn]
    assert not worker.pending_conns


@pytest.mark.parametrize(("sent", "seconds"), [(CHUNKED, 0), (LARGE, 0), (TEXT, 1)])
def test_what_may_be_read_while_it_arrives_waits_with_half_of_the_threads(
    worker, opened, clock, sent, seconds
):
    first, second = opened(sent), opened(sent)

    clock.now += seconds
    look(worker)
    assert list(worker.tpool.given) == [first]

    worker.tpool.given[first].set_result(True)
    look(worker, timeout=10)
    assert list(worker.tpool.given) == [first, second]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [(HEADERS, WAIT_SECONDS), (FORM, WAIT_SECONDS), (TEXT, QUEUE_SECONDS), (LARGE, QUEUE_SECONDS)],
)
def test_what_waits_is_closed_when_its_time_is_over(worker, opened, clock, sent, seconds):
    """The only thread that may wait has another one."""
    opened(CHUNKED)
    conn = opened(sent)

    clock.now += seconds - 1
    look(worker)
    assert conn in worker.pending_conns

    clock.now += 1
    look(worker)
    assert conn.sock.fileno() < 0
    assert worker.nr_conns == 1


@pytest.mark.parametrize("sent", [HEADERS, FORM, TEXT])
def test_a_worker_that_stops_waits_shortly_for_what_still_comes_by_half(
    worker, opened, clock, sent
):
    worker.alive = False
    conn = opened(sent)

    clock.now += CLOSE_SECONDS
    worker.murder_pending()

    assert conn.sock.fileno() < 0 or conn in worker.tpool.given
    assert not worker.pending_conns
