"""`manage.py submit_event --url`: sends to another deployment."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.core.management import CommandError, call_command

from neural.events.commands import remote, submit_event
from tests.watching import wait_until

pytestmark = pytest.mark.once
KEY = "zn_0123456789_secret"


class Deployment:
    """A server that answers as the API does; ``plan`` has what it does instead, request by
    request: a status for the whole request, or how many lines it answers before it stops."""

    def __init__(self) -> None:
        self.plan: list = []
        self.requests: list[tuple[str, dict, list[dict]]] = []
        self.recorded: dict[str, dict] = {}
        self.retry_after = "0"
        self.location = ""
        self.end: dict | None = None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        events = [json.loads(line) for line in body.split(b"\n")]
        self.requests.append((handler.path, dict(handler.headers), events))
        step = self.plan.pop(0) if self.plan else None
        if isinstance(step, dict):
            self._refuse(handler, step)
        else:
            self._take(handler, events, step)

    def _take(self, handler: BaseHTTPRequestHandler, events: list[dict], step: int | None) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-ndjson")
        handler.end_headers()
        for number, event in enumerate(events if step is None else events[:step], 1):
            self._say(handler, {"line": number, **self._record(event)})
        if step is None:
            self._say(handler, {"summary": {"new": 0, "duplicate": 0, "refused": 0}})
        elif self.end is not None:
            self._say(handler, self.end)

    def _refuse(self, handler: BaseHTTPRequestHandler, problem: dict) -> None:
        handler.send_response(problem["status"])
        handler.send_header("Retry-After", self.retry_after)
        if self.location:
            handler.send_header("Location", self.location)
        handler.end_headers()
        self._say(handler, problem)

    def _record(self, event: dict) -> dict:
        if "type" not in event:
            return {"status": 422, "errors": [{"field": "type", "reason": "missing"}]}
        known = event["event_id"] in self.recorded
        self.recorded[event["event_id"]] = event
        return {"status": 200 if known else 202, "verdict": "duplicate" if known else "new"}

    def _say(self, handler: BaseHTTPRequestHandler, answer: dict) -> None:
        handler.wfile.write(json.dumps(answer).encode() + b"\n")


@pytest.fixture
def deployment():
    served = Deployment()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/api/v1"
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def send(deployment, capsys):
    """Run the command for the deployment: its exit code, standard output and standard error."""

    def send(*arguments: str, key: str = KEY) -> tuple[int, str, str]:
        options = ["--url", deployment.url, "--key", key, *arguments]
        code = 0
        try:
            call_command("submit_event", *options, stdout=sys.stdout, stderr=sys.stderr)
        except SystemExit as end:
            code = int(end.code or 0)
        except CommandError as error:
            code = error.returncode
            print(error, file=sys.stderr)
        said = capsys.readouterr()
        return code, said.out, said.err

    return send


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_text("".join(line(number) for number in range(1, 6)))
    return path


def line(number: int, **fields) -> str:
    return json.dumps({"type": "bell.rung", "event_id": str(number), **fields}) + "\n"


def sent(deployment) -> list[list[str]]:
    return [[event.get("event_id") for event in events] for *_, events in deployment.requests]


def test_a_file_is_sent_with_the_key_and_its_answers_are_counted(deployment, send, file):
    code, said, _ = send(str(file))

    path, headers, events = deployment.requests[0]
    assert (code, path, len(events)) == (0, "/api/v1/events/batch", 5)
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert "5 new, 0 recorded before, 0 refused" in said


def test_one_event_of_the_options_is_sent(deployment, send):
    code, said, _ = send(
        *("--type", "bell.rung", "--store", "S01", "--source", "till", "--event-id", "7"),
        *("--payload", '{"table": 4}'),
    )

    assert code == 0
    assert deployment.recorded["7"]["payload"] == {"table": 4}
    assert "1 new" in said


def test_history_is_sent_as_history(deployment, send, file):
    send("--backfill", str(file))

    assert deployment.requests[0][0] == "/api/v1/events/batch?backfill=true"


def test_a_dry_run_asks_for_one(deployment, send, file, monkeypatch):
    warning = {"field": "payload.totl", "reason": "is not a field of the schema"}
    answered = {"status": 200, "verdict": "superseded", "warnings": [warning]}
    monkeypatch.setattr(deployment, "_record", lambda event: answered)
    deployment.plan = [2, {"status": 401, "detail": "no key"}]

    code, _, errors = send("--dry-run", "--strict", str(file))

    assert code == 2
    assert deployment.requests[0][0] == "/api/v1/events/batch?strict=true&dry_run=true"
    assert errors.count("line 1: warning: payload.totl: is not a field of the schema") == 1
    assert (
        "5 new, 0 recorded before, 0 refused; nothing is written" in send("--dry-run", str(file))[1]
    )


def test_what_is_refused_is_named_with_the_line_of_the_file(deployment, send, file):
    file.write_text(line(1) + "\n" + json.dumps({"event_id": "2"}) + "\n" + line(3))

    code, said, errors = send(str(file))

    assert code == 1
    assert "line 3: type: missing" in errors
    assert "2 new, 0 recorded before, 1 refused" in said


def test_a_connection_that_breaks_is_tried_again_from_the_first_line_without_an_answer(
    deployment, send, file, monkeypatch
):
    monkeypatch.setattr(remote, "FIRST_WAIT", 0)
    deployment.plan = [0, 1]

    code, said, errors = send(str(file))

    assert code == 0
    assert set(deployment.recorded) == {"1", "2", "3", "4", "5"}
    assert "the answer ended early; trying again in 0 s" in errors
    assert "5 new, 0 recorded before" in said


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_server_that_is_busy_or_away_is_asked_again_when_it_says(deployment, send, file, status):
    deployment.plan = [{"status": status, "detail": "not now"}]

    code, said, errors = send(str(file))

    assert code == 0
    assert f"answers {status}: not now; trying again in 0 s" in errors
    assert "5 new" in said


def test_what_follows_a_server_that_stopped_in_the_middle_is_sent_again(
    deployment, send, file, monkeypatch
):
    monkeypatch.setattr(remote, "FIRST_WAIT", 0)
    deployment.plan = [0]
    deployment.end = {"problem": {"status": 503, "detail": "the database does not answer"}}

    code, said, errors = send(str(file))

    assert code == 0
    assert "the server stopped: the database does not answer; trying again" in errors
    assert "5 new, 0 recorded before" in said


def test_a_server_that_takes_fewer_events_in_a_batch_gets_the_rest_in_another(
    deployment, send, file
):
    deployment.plan = [2, 2, 1]
    deployment.end = {"problem": {"status": 413, "detail": "a batch has at most 2 events"}}

    code, said, _ = send(str(file))

    assert code == 0
    assert "5 new, 0 recorded before" in said


def test_a_batch_that_is_too_large_for_the_server_is_sent_in_halves(deployment, send, file):
    deployment.plan = [{"status": 413, "detail": "the body is larger than 1,024 bytes"}] * 2

    code, said, _ = send(str(file))

    assert code == 0
    assert "5 new, 0 recorded before" in said


def test_a_line_that_is_too_large_for_the_server_is_said(deployment, send, file):
    deployment.plan = [{"status": 413, "detail": "the body is larger than 10 bytes"}] * 9

    code, _, errors = send(str(file))

    assert code == 2
    assert "answers 413: the body is larger than 10 bytes" in errors


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_a_server_that_refuses_everything_is_named_at_once(deployment, send, file, status):
    deployment.plan = [{"status": status, "detail": "no such key"}]

    code, _, errors = send(str(file))

    assert code == 2
    assert f"answers {status}: no such key" in errors
    assert len(deployment.requests) == 1
    assert KEY not in errors


def test_the_key_is_not_sent_on_to_another_address(deployment, send, file):
    deployment.location = f"{deployment.url}/elsewhere"
    deployment.plan = [{"status": 307, "detail": "moved"}]

    code, _, errors = send(str(file))

    assert code == 2
    assert "give that address" in errors
    assert len(deployment.requests) == 1


def test_a_run_that_gave_up_says_up_to_which_line_all_is_answered(deployment, send, file):
    deployment.plan = [1, *[{"status": 503, "detail": "away"}] * 3]
    deployment.retry_after = "5"

    code, _, errors = send("--give-up-seconds", "0", str(file))

    assert code == 3
    assert "up to line 1 is done" in errors
    deployment.plan = []
    code, printed, _ = send(str(file))
    assert code == 0
    assert "4 new, 1 recorded before" in printed


def test_a_pipe_is_sent_as_it_comes(deployment, send, monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, line(1).encode() + b"\n" + line(2)[:9].encode())

    def write_the_rest() -> None:
        wait_until(lambda: deployment.requests, seconds=30)
        os.write(writing, line(2)[9:].encode() + line(3).rstrip().encode())
        os.close(writing)

    Thread(target=write_the_rest).start()

    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert send("-")[0] == 0
    assert sent(deployment) == [["1"], ["2"], ["3"]]


def test_of_a_line_longer_than_any_event_the_beginning_is_sent(deployment, send, file, monkeypatch):
    monkeypatch.setattr(remote, "line_limit", lambda: 50)
    file.write_text(line(1) + line(2, note="x" * 200).rstrip())

    with file.open("rb") as opened:
        batches = list(remote.batches(opened))

    assert [len(text) for batch in batches for _, text in batch] == [len(line(1)) - 1, 50]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--url", "ftp://chain", "x"], "is no address"),
        (["--url", "https://chain/api/v1"], "--payload: missing"),
        (["--url", "https://chain/api/v1", "x"], "--key: missing"),
        (["--url", "https://chain/api/v1", "--key", "@/nowhere", "x"], "No such file"),
        (["--key", "zn_x", "x"], "only with --url"),
    ],
)
def test_wrong_usage_is_said(arguments, reason, monkeypatch):
    monkeypatch.delenv(submit_event.KEY_VARIABLE, raising=False)

    with pytest.raises(CommandError, match=reason) as refused:
        call_command("submit_event", *arguments)

    assert refused.value.returncode == 2


def test_the_key_may_come_from_a_file_or_the_environment(
    deployment, send, file, tmp_path, monkeypatch
):
    kept = tmp_path / "key.txt"
    kept.write_text(f"{KEY}\n")
    monkeypatch.setenv(submit_event.KEY_VARIABLE, "zn_of_the_environment")

    send(str(file), key=f"@{kept}")
    send(str(file), key="")

    given = [headers["Authorization"] for _, headers, _ in deployment.requests]
    assert given == [f"Bearer {KEY}", "Bearer zn_of_the_environment"]
