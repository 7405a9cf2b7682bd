"""A receiver of webhooks for tests: an HTTP server of this process that answers as it is told."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Got:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """A running server; `answers` are used one after the other, then 204 for ever."""

    port: int
    got: list[Got] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def url(self, path: str = "/hook?a=1", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    """An ordinary answer; `Retry_After="3"` is the header Retry-After."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(*pieces: bytes, until: threading.Event | None = None) -> Answer:
    """Bytes instead of an answer; with `until`, the last piece again and again, slowly."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            for piece in pieces:
                handler.wfile.write(piece)
            while until is not None and not until.wait(0.02):
                handler.wfile.write(pieces[-1])
        except OSError:
            pass  # the client has gone, as it should

    return answer


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a free port of this machine. Requests get the answers in their order in `got`,
    also if they come at the same time."""
    in_order = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with in_order:
                here.got.append(Got(self.path, headers, body))
                answer = here.answers.pop(0) if here.answers else answering(204)
            answer(self)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_signed(got: Got, secret: str) -> bool:
    """Verify as the specification tells receivers to, sharing no code with the sender."""
    content = b".".join(
        (got.headers["webhook-id"].encode(), got.headers["webhook-timestamp"].encode(), got.body)
    )
    key = base64.b64decode(secret[len("whsec_") :])
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    versions = (each.split(",", 1) for each in got.headers["webhook-signature"].split(" "))
    return any(
        version == "v1" and hmac.compare_digest(signature, expected)
        for version, signature in versions
    )
