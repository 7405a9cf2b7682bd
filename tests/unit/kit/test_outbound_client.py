"""A request to a foreign server is guarded, and bounded in time and in size."""

import socket
import threading

import pytest

from neural.kit.outbound import client
from neural.kit.outbound.client import AddressRefused, NoAnswer, request
from tests.unit.hooks.receiving import answering, raw, receiver

pytestmark = pytest.mark.services  # each test connects to a server of its own


@pytest.fixture
def server():
    with receiver() as running:
        yield running


@pytest.fixture
def open_to_us(settings):
    """Loopback is allowed, so that the server of the test can be reached."""
    settings.NEURAL = {**settings.NEURAL, "outbound_private_addresses": True}


@pytest.fixture
def stopped():
    """Ends what a server does for ever, when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def post(url, **options):
    return request("POST", url, headers={"X-Own": "1"}, body=b"{}", **options)


def resolving(monkeypatch, *answers):
    """The resolver gives these lists of addresses one after the other, then the last for ever."""
    left = list(answers)

    def resolved(host, port):
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(client, "resolved", resolved)


def test_the_answer_has_status_headers_and_body(server, open_to_us):
    server.answers.append(answering(201, "收到".encode(), X_Trace="7"))
    answer = post(server.url("/hook?a=1"))
    assert (answer.status, answer.headers["x-trace"]) == (201, "7")
    assert answer.body.decode() == "收到"
    (got,) = server.got
    assert (got.path, got.body, got.headers["x-own"]) == ("/hook?a=1", b"{}", "1")
    assert got.headers["host"] == f"127.0.0.1:{server.port}"
    assert got.headers["accept-encoding"] == "identity"


def test_without_the_setting_loopback_is_not_reached(server, monkeypatch):
    resolving(monkeypatch, ["127.0.0.1"])
    for url in (server.url(), f"https://shop.example:{server.port}/"):
        with pytest.raises(AddressRefused):
            post(url)
    assert not server.got


def test_the_connection_goes_to_the_address_that_was_checked_whatever_the_name_says_next(
    monkeypatch,
):
    """DNS rebinding: the name is public when it is checked, and this machine's a moment later."""
    resolving(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    tried = []

    def connect(address, timeout):
        tried.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(NoAnswer, match="refused"):
        post("https://shop.example/hook")
    assert tried == [("93.184.215.14", 443)]
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        post("https://shop.example/hook")
    assert len(tried) == 1


def test_the_next_address_is_tried_if_one_does_not_accept(server, open_to_us, monkeypatch):
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])  # the server listens on the second only
    assert post(server.url(host="till.lan")).status == 204
    assert server.got[0].headers["host"] == f"till.lan:{server.port}"


def test_a_redirect_is_not_followed(server, open_to_us):
    server.answers.append(answering(302, Location=server.url("/elsewhere")))
    assert post(server.url()).status == 302
    assert len(server.got) == 1


def test_a_proxy_of_the_environment_is_not_used(server, open_to_us, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(server.url()).status == 204


def test_at_most_the_beginning_of_a_huge_answer_is_read(server, open_to_us, stopped):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    server.answers.append(raw(head, b"x" * 65536, until=stopped))
    answer = post(server.url())
    assert (len(answer.body), answer.is_cut) == (64 * 1024, True)


def test_a_chunk_of_negative_size_is_not_read_for_ever(server, open_to_us, stopped):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    server.answers.append(raw(head, b"x" * 65536, until=stopped))
    with pytest.raises(NoAnswer, match="too long"):
        post(server.url())


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"",), id="silent"),
        pytest.param((b"HTTP/1.1 200 OK\r\nX-A: ", b"x"), id="drips its headers"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), id="drips"),
        pytest.param((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")),
    ],
)
def test_a_server_that_takes_its_time_is_left_when_the_time_is_over(
    server, open_to_us, stopped, pieces
):
    server.answers.append(raw(*pieces, until=stopped))
    with pytest.raises(NoAnswer, match=r"within 0\.2 seconds"):
        post(server.url(), timeout=0.2)


def test_a_resolver_that_hangs_does_not_hold_us(monkeypatch, stopped):
    def hanging(host, port):
        stopped.wait()
        return ["127.0.0.1"]

    monkeypatch.setattr(client, "resolved", hanging)
    with pytest.raises(NoAnswer, match="was not resolved within"):
        post("https://shop.example/", timeout=0.05)


def test_a_request_whose_time_is_over_before_it_is_resolved_has_no_answer(monkeypatch, stopped):
    monkeypatch.setattr(client, "resolved", lambda host, port: stopped.wait())
    with pytest.raises(NoAnswer, match="was not resolved within"):
        client.Deadline(0).resolve("shop.example", 443)


@pytest.mark.parametrize(
    "answer", [raw(b"220 mail.example ESMTP\r\n"), raw(b""), raw(b"HTTP/1.1 abc\r\n\r\n")]
)
def test_what_is_no_answer_by_http_is_none(server, open_to_us, answer):
    server.answers.append(answer)
    with pytest.raises(NoAnswer):
        post(server.url())


def test_a_closed_port_is_no_answer(open_to_us):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NoAnswer, match="refused"):
            post(f"http://127.0.0.1:{port}/")


def test_https_is_not_spoken_with_a_server_that_has_no_certificate(server, open_to_us):
    with pytest.raises(NoAnswer, match="no safe connection"):
        post(f"https://127.0.0.1:{server.port}/")
    assert not server.got
