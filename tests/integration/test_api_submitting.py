"""Submitting to a real web server: many clients at once, faults, and clients that misbehave."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from django.db.models import Count

from neural.api import keys
from neural.api.models import Scope
from neural.models import NeuralEvent, TaskRun
from tests.integration.web import Web, answered_lines
from tests.unit.hooks.hooks_world import source
from tests.watching import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
]

NDJSON = "application/x-ndjson"
NOBODY = "redis://127.0.0.1:1/1"


def event(name, **payload):
    fields = {"type": "probe.counted", "store": "S1", "source": "till", "event_id": str(name)}
    return {**fields, "payload": {"key": f"k{name}", **payload}}


def lines(*events):
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def streamed_answer(client):
    """All of an answer that comes in chunks; fails if the connection ends before."""
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n"):
        piece = client.recv(65536)
        assert piece, answer
        answer += piece
    return answer


@pytest.fixture
def key(transactional_db):
    return keys.issue(name="till", scopes=[Scope.EVENTS_WRITE], stores=None)[1]


@pytest.fixture
def serve(transactional_db, tmp_path, own_broker_server):
    """Starts a web server; without `broker_url`, on a broker of this test's own."""
    started = []

    def start(broker_url=None, **settings):
        web = Web(tmp_path, broker_url=broker_url or own_broker_server.url, **settings)
        started.append(web)
        return web.wait_until_ready()

    yield start
    for web in started:
        web.kill()


@pytest.mark.quick
def test_the_same_event_from_16_clients_at_once_is_one_event(serve, key):
    web = serve()
    headers = {"X-Api-Key": key, "Content-Type": "application/json"}

    def post(number):
        body = json.dumps(event(number % 5))
        return web.request("POST", "/api/v1/events", body, **headers)

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(post, range(80)))

    statuses = [status for status, _ in answers]
    assert sorted(set(statuses)) == [200, 202]
    assert statuses.count(202) == 5
    assert NeuralEvent.objects.count() == TaskRun.objects.count() == 5
    assert {json.loads(body)["id"] for _, body in answers} == set(
        NeuralEvent.objects.values_list("pk", flat=True)
    )


def test_a_client_that_sends_all_before_it_reads_is_told_why_it_is_refused(serve, key):
    web = serve()
    headers = {"X-Api-Key": "zn_wrong", "Content-Type": NDJSON, "Connection": "close"}

    statuses = [
        # As much as arrives at once. What is still on its way is not waited for.
        web.request("POST", "/api/v1/events/batch", b"x" * 30_000, **headers)[0]
        for _ in range(5)
    ]

    assert statuses == [401] * 5


@pytest.mark.faults
def test_a_web_process_killed_within_a_batch_has_recorded_every_answered_line(serve, key):
    web = serve(submit_chunk=20, api_body_seconds=600)
    sent = [event(n, note="x" * 2000) for n in range(4000)]
    body = lines(*sent)
    received = bytearray()

    with web.opened("/api/v1/events/batch", key, NDJSON, f"Content-Length: {len(body)}") as client:

        def receive():
            try:
                while piece := client.recv(65536):
                    received.extend(piece)
            except OSError:
                return

        reading = threading.Thread(target=receive)
        reading.start()
        # The rest is not sent before the server is killed: it is within the batch for certain.
        client.sendall(body[: len(body) // 2])
        wait_until(lambda: len(answered_lines(bytes(received))) > 100, 60)
        web.kill()
        reading.join(60)

    answers = answered_lines(bytes(received))
    recorded = dict(NeuralEvent.objects.values_list("event_id", "pk"))
    assert {answer["status"] for answer in answers} == {202}
    for answer in answers:
        assert recorded[str(answer["line"] - 1)] == answer["id"]
    # By one statement: the database may still commit what the killed process had asked it to.
    runs = NeuralEvent.objects.annotate(count=Count("runs")).values_list("count", flat=True)
    assert set(runs) == {1}


@pytest.mark.faults
def test_without_a_broker_events_are_accepted_and_only_the_first_waits(serve, key):
    web = serve(broker_url=NOBODY, workers=1, publish_probe_seconds=60)
    headers = {"X-Api-Key": key, "Content-Type": "application/json"}

    bodies = [json.dumps(event(n)) for n in range(20)]
    statuses = [web.request("POST", "/api/v1/events", body, **headers)[0] for body in bodies]

    assert statuses == [202] * 20
    lost = web.log.read_text().count("event=broker_lost")
    assert lost == 1, "each request waited for the broker"
    assert NeuralEvent.objects.count() == 20


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/api/v1/events", "application/json"), ("/api/v1/events/batch", NDJSON)],
)
def test_a_client_that_sends_a_byte_now_and_then_is_answered_when_its_time_is_over(
    serve, key, path, content_type
):
    web = serve(api_body_seconds=1.5)
    with web.opened(path, key, content_type, "Content-Length: 5000") as client:
        over = threading.Event()

        def drip():
            while not over.wait(0.2):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = client.recv(65536)
        over.set()
        dripping.join()

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("path", "has_key", "status"),
    [
        ("/api/v1/events", True, 400),
        ("/api/v1/events/batch", True, 400),
        ("/api/v1/events", False, 401),
        ("/api/v1/nowhere", False, 404),
        ("/hooks/kitchen", False, 400),
        ("/hooks/nobody", False, 404),
    ],
)
def test_a_malformed_chunk_is_the_clients_mistake(serve, key, path, has_key, status):
    source()
    web = serve()
    kind = NDJSON if path.endswith("batch") else "application/json"
    chunked = "Transfer-Encoding: chunked"
    with web.opened(path, key if has_key else "zn_no", kind, chunked, begun=b"zz\r\n{}") as client:
        answer = client.recv(65536)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert "Traceback" not in web.log.read_text()


@pytest.mark.parametrize(
    "path", ["/api/v1/events", "/api/v1/nowhere", "/hooks/nobody", "/hooks/kitchen"]
)
def test_half_sent_bodies_without_a_key_hold_up_nobody(serve, key, path):
    """There are 32 of them, and 8 threads."""
    source()
    web = serve()
    with ExitStack() as clients:
        half = ("zn_no", "application/json", "Content-Length: 5000")
        opened = [clients.enter_context(web.opened(path, *half, begun=b"{")) for _ in range(32)]
        began = time.monotonic()
        status, _ = web.request("GET", "/healthz")
        took = time.monotonic() - began
        answers = [client.recv(65536) for client in opened]

    assert status == 200
    assert took < 10
    assert {each.split(maxsplit=2)[1] for each in answers} <= {
        b"401",
        b"404",
        b"408",
        b"429",
        b"503",
    }


def test_a_push_that_does_not_arrive_whole_is_answered_when_its_time_is_over(serve, key):
    source()
    web = serve()
    with web.opened("/hooks/kitchen", key, "application/json", "Content-Length: 5000") as client:
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_whole_lines_of_a_client_that_is_too_slow_are_kept(serve, key):
    web = serve(api_body_seconds=1.5)
    # Together with the headers, or the time might be over before anything has come.
    begun = lines(event(1)) + b'{"type": "probe.cou'
    length = "Content-Length: 5000"
    with web.opened("/api/v1/events/batch", key, NDJSON, length, begun=begun) as client:
        answer = streamed_answer(client)

    first, last = answered_lines(answer)
    assert (first["line"], first["status"]) == (1, 202)
    assert last["problem"]["status"] == 408
    assert NeuralEvent.objects.get().event_id == "1"


def test_a_client_that_reads_nothing_until_it_has_sent_everything_gets_all_answers(serve, key):
    """The answers, 9 MB, are larger than all the buffers between the two."""
    web = serve()
    long = {"x" * 400: 1, "y" * 400: 2}
    body = lines(*({**event(n), **long} for n in range(10_000)))

    headers = {"X-Api-Key": key, "Content-Type": NDJSON}
    status, raw = web.request("POST", "/api/v1/events/batch", body, **headers)

    answers = answered_lines(raw)
    assert status == 200
    assert len(raw) > 8_000_000
    assert answers[-1] == {"summary": {"new": 0, "duplicate": 0, "refused": 10_000}}
    assert [answer["line"] for answer in answers[:-1]] == list(range(1, 10_001))


def test_a_pipe_of_events_without_a_length_is_answered_while_it_is_open(serve, key):
    web = serve(submit_chunk=50, api_body_seconds=600)
    connection = web.connection()
    went_on = threading.Event()

    def pipe():
        yield lines(*(event(n, note="x" * 2000) for n in range(200)))
        went_on.wait(60)
        yield lines(event("last"))

    headers = {"X-Api-Key": key, "Content-Type": NDJSON}
    threading.Thread(
        target=connection.request, args=("POST", "/api/v1/events/batch", pipe(), headers)
    ).start()
    wait_until(lambda: NeuralEvent.objects.count() >= 100, 60)
    went_on.set()
    wait_until(lambda: NeuralEvent.objects.count() == 201, 60)
    raw = connection.getresponse().read()
    connection.close()

    assert answered_lines(raw)[-1]["summary"]["new"] == 201


def test_a_body_that_ends_early_loses_only_the_line_that_was_cut(serve, key):
    web = serve()
    whole = lines(event(1), event(2))
    with web.opened("/api/v1/events/batch", key, NDJSON, "Content-Length: 5000") as client:
        client.sendall(whole + json.dumps(event(3)).encode())  # it may go on
        client.shutdown(1)
        answer = streamed_answer(client)

    *each, last = answered_lines(answer)
    assert [one["status"] for one in each] == [202, 202]
    assert last["problem"]["status"] == 400
    assert set(NeuralEvent.objects.values_list("event_id", flat=True)) == {"1", "2"}


def test_memory_stays_flat_over_the_largest_batch(serve):
    # On a fast machine the two batches together would pass the rate of an ordinary key.
    _, key = keys.issue(
        name="bulk", scopes=[Scope.EVENTS_WRITE], stores=None, rate_per_second=10_000
    )
    web = serve(workers=1)
    headers = {"X-Api-Key": key, "Content-Type": NDJSON}
    web.request("POST", "/api/v1/events/batch", lines(*map(event, range(600))), **headers)
    before = resident(web)
    body = lines(*(event(f"m{n}", note="x" * 1500) for n in range(9_900)))
    assert len(body) > 15_000_000

    peak, ended = [before], threading.Event()

    def watch():
        while not ended.wait(0.02):
            peak.append(resident(web))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.monotonic()
    status, raw = web.request("POST", "/api/v1/events/batch", body, **headers)
    print(f"{9_900 / (time.monotonic() - began):,.0f} events/s")
    ended.set()
    watching.join()

    print(f"resident before {before:,} KiB, at most {max(peak):,} KiB")
    assert status == 200
    assert answered_lines(raw)[-1] == {"summary": {"new": 9_900, "duplicate": 0, "refused": 0}}
    assert max(peak) - before < 64 * 1024, "more than 64 MiB on top"


def resident(web) -> int:
    """The memory of the web processes, in KiB."""
    total = 0
    for pid in web.worker_ids:
        with open(f"/proc/{pid}/status") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total
