"""Requests that are sent by half, to a web server without a proxy."""

import contextlib
import http.client
import socket
import time

import pytest

from tests.integration.web import Web
from tests.ports import HOST

pytestmark = [
    pytest.mark.integration,
    pytest.mark.django_db(transaction=True),
]

FORM = "Content-Type: application/x-www-form-urlencoded"
COOKIE = f"Cookie: csrftoken={'a' * 32}"
BODY = "username=a"
HALF = {
    "nothing": "",
    "headers": "POST /admin/login/ HTTP/1.1\r\nHost: loc",
    "a form": ("POST /admin/login/", FORM, COOKIE, "Content-Length: 1000", BODY),
    "a form without a cookie": ("POST /admin/login/", FORM, "Content-Length: 1000", BODY),
    "a large form": ("POST /admin/login/", FORM, COOKIE, "Content-Length: 1000000", BODY),
    "chunks": ("POST /admin/login/", FORM, COOKIE, "Transfer-Encoding: chunked", "10\r\nuse"),
    "no form": ("POST /admin/login/", "Content-Type: text/plain", "Content-Length: 9", "a"),
    "a body of a GET": ("GET /healthz", "Content-Length: 1000", "a"),
    "a second request": ("GET /healthz", "Connection: keep-alive", "GET /healthz HT"),
    "all of it, and the end is not": ("GET /healthz", "Connection: close", ""),
}
MORE_THAN_THREADS = 16


@pytest.fixture
def web(transactional_db, tmp_path, own_broker_server):
    started = Web(tmp_path, broker_url=own_broker_server.url)
    yield started.wait_until_ready()
    started.kill()


def half_of(request: str | tuple[str, ...]) -> bytes:
    if isinstance(request, str):
        return request.encode()
    line, *headers, begun = request
    lines = [f"{line} HTTP/1.1", "Host: localhost", *headers, "", begun]
    return "\r\n".join(lines).encode()


def test_half_sent_requests_leave_threads_for_everybody_else(web):
    """The clients wait for as long as the server does, which is longer than this test."""
    with contextlib.ExitStack() as clients:
        for request in HALF.values():
            for _ in range(MORE_THAN_THREADS):
                client = clients.enter_context(socket.create_connection((HOST, web.port), 60))
                client.sendall(half_of(request))
        began = time.monotonic()
        statuses = [web.request("GET", "/healthz")[0] for _ in range(20)]
        took = time.monotonic() - began

    assert statuses == [200] * 20
    assert took < 30  # with a thread for each, the first waits for a minute
    assert "Traceback" not in web.log.read_text(errors="replace")


def test_a_form_that_comes_in_pieces_is_read_whole(web):
    """Headers and the body, byte by byte, and two requests on one connection."""
    body = "username=nobody&password=wrong"
    length = f"Content-Length: {len(body)}"
    sent = half_of(("POST /admin/login/", FORM, COOKIE, length, body)).replace(
        BODY.encode(), body.encode()
    )
    with socket.create_connection((HOST, web.port), 60) as client:
        for _ in range(2):
            for place in range(len(sent)):
                client.sendall(sent[place : place + 1])
            answer = http.client.HTTPResponse(client)
            answer.begin()
            answer.read()
            assert answer.status == 403  # its token is missing


def test_bodies_whose_rest_comes_while_they_wait_for_a_thread_are_all_answered(web):
    request = half_of(("POST /admin/login/", "Content-Type: text/plain", "Content-Length: 2", "a"))
    with contextlib.ExitStack() as clients:
        opened = []
        for _ in range(MORE_THAN_THREADS):
            client = clients.enter_context(socket.create_connection((HOST, web.port), 60))
            client.sendall(request)
            opened.append(client)
        assert web.request("GET", "/healthz")[0] == 200
        for client in reversed(opened):  # those that have a thread come last
            client.sendall(b"b")

        assert all(client.recv(65536).startswith(b"HTTP/1.1 403 ") for client in opened)


def test_what_ends_in_its_middle_holds_nothing(web):
    """Clients that close their half, after a part of the headers or of a form."""
    with contextlib.ExitStack() as clients:
        opened = []
        for request in ("headers", "a form", "nothing"):
            for _ in range(MORE_THAN_THREADS):
                client = clients.enter_context(socket.create_connection((HOST, web.port), 60))
                client.sendall(half_of(HALF[request]))
                client.shutdown(socket.SHUT_WR)
                opened.append(client)
        for client in opened:
            while client.recv(65536):
                pass

        assert web.request("GET", "/healthz")[0] == 200


def test_the_web_processes_stop_soon_although_clients_have_sent_half(web):
    with contextlib.ExitStack() as clients:
        for _ in range(MORE_THAN_THREADS):
            client = clients.enter_context(socket.create_connection((HOST, web.port), 60))
            client.sendall(half_of(HALF["a form"]))
        assert web.request("GET", "/healthz")[0] == 200
        web.process.terminate()

        assert web.process.wait(timeout=25) == 0  # after 30 s they would be killed
