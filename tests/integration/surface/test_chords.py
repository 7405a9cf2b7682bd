"""Chords with ledger tasks in their header, run by real workers."""

import subprocess
import sys
import textwrap

import pytest
from celery import chain, chord, group

from neural.models import Batch, RunState, TaskRun
from tests.integration.cluster import ROOT, wait_for_runs
from tests.probe.acting import Failing
from tests.probe.canvas import add, fail, hang, note, plain_add, plain_note, total
from tests.probe.models import Effect
from tests.probe.tasks import give_back
from tests.watching import wait_until

OWN, REDIS = ("own", "django-db"), ("own", "redis")
RABBITMQ = pytest.param("rabbitmq", "redis", marks=pytest.mark.rabbitmq)
pytestmark = pytest.mark.integration


def brokers(*them):
    return pytest.mark.parametrize(("own_broker_server", "results"), them, indirect=True)


def effects(count: int) -> dict[str, int]:
    wait_until(lambda: Effect.objects.count() >= count, 150)
    return dict(Effect.counts())


@brokers(OWN, REDIS, RABBITMQ)
def test_a_chord_ends_whatever_its_header_and_its_body_are(surface):
    inner = chord([add.s(1, 1), plain_add.s(2, 2)], total.s())
    plain_inner = chord([add.s(1, 1), add.s(2, 2)], plain_note.s("inner"))
    row = chain(add.s(1, 1), plain_add.s(1), add.s(1))
    found = [
        chord([add.s(1, 1), add.s(2, 2)])(total.s()),
        chord([add.s(1, 1), plain_add.s(2, 2)])(total.s()),
        chord([add.s(1, 1), row, inner, plain_add.s(0, 0)])(give_back.s()),
        chord([plain_inner, add.s(3, 3)])(give_back.s()),
        chord([plain_add.s(1, 1), chain(plain_add.s(1, 1), add.s(2))])(chain(total.s(), add.s(1))),
        chain(add.s(1, 1), group(add.s(1), plain_add.s(2)), total.s(), add.s(10))(),
        chord([add.s(1, 1)])(chord([total.s(), total.s()], total.s())),
    ]
    chord([add.s(1, 1), plain_add.s(2, 2)])(group(note.s("ledger"), plain_note.s("plain")))
    surface.worker()

    assert [each.get(timeout=60) for each in found] == [
        *(6, 6, [[[2, 4, 6, 0]], {}], [[[[2, 4], 6]], {}]),
        *(7, 17, 4),
    ]
    assert found[0].parent.get(timeout=60) == [2, 4]
    assert effects(3) == {"ledger:[2, 4]": 1, "plain:[2, 4]": 1, "inner:[2, 4]": 1}
    wait_for_runs()
    assert not Batch.objects.exclude(outcome="succeeded").exists()


@brokers(OWN, RABBITMQ)
def test_a_chord_ends_after_its_messages_are_lost(surface):
    result = chord([add.s(1, 1), add.s(2, 2), chain(add.s(3, 3), add.s(0))])(total.s())
    surface.lose_messages()

    surface.worker()

    assert result.get(timeout=60) == 12


@brokers(OWN)
def test_after_a_dead_member_the_body_is_dead_and_calls_its_error_links(surface):
    surface.worker()

    result = chord([add.s(1, 1), fail.s("what"), plain_add.s(1, 1)])(
        total.s().on_error(note.s("dead"))
    )

    assert effects(1) == {f"dead:{result.id}": 1}
    with pytest.raises(Failing, match="what"):
        result.get(timeout=60)
    assert TaskRun.objects.get(task_id=result.id).state == RunState.DEAD


@brokers(OWN)
def test_a_chord_ends_though_the_worker_of_its_last_member_is_killed(surface):
    first = surface.worker(worker_lost_seconds=2)
    result = chord([add.s(1, 1), plain_add.s(2, 2), hang.s("last")])(give_back.s())
    surface.cluster.wait_for_start("last")
    first.kill()
    surface.cluster.open_gate("go-last")

    surface.worker(worker_lost_seconds=2)

    assert result.get(timeout=90) == [[[2, 4, "done"]], {}]
    assert Batch.objects.get().outcome == "succeeded"
    assert TaskRun.objects.filter(task=give_back.name).count() == 1


@pytest.mark.sqlite
@pytest.mark.faults
@pytest.mark.takes(seconds=10)
@brokers(OWN)
@pytest.mark.parametrize(
    "place",
    [
        "neural.batches.recording:record:after",
        "neural.batches.recording:add:after",
        "neural.batches.recording:join:after",
        "neural.batches.awaited:report:before",
        "neural.batches.awaited:report:after",
        "neural.batches.ending:end_if_complete:before",
        "neural.batches.ports:start_what_follows:before",
        "neural.batches.ports:start_what_follows:after",
        "neural.celeryapp.chords:values:after",
    ],
)
def test_a_chord_whose_process_is_killed_ends_once(surface, place):
    quick = {"heartbeat_seconds": 0.3, "worker_lost_seconds": 3, "concurrency": 1}
    surface.worker(environment={**surface.environment, "PROBE_KILL": place}, **quick)
    header = group(add.s(1), plain_add.s(2), chain(add.s(3), add.s(4)))
    chain(add.s(1, 1), header, note.s("sum"))()
    wait_until((surface.cluster.marks / "killed").exists, 150)

    surface.worker(**quick)

    assert effects(1) == {"sum:[3, 4, 9]": 1}
    wait_for_runs()
    assert [batch.outcome for batch in Batch.objects.all()] == ["succeeded"]


CLIENT = """
from celery import Celery, chord
from kombu import Exchange, Queue

app = Celery(broker="{broker}", backend="{backend}")
app.conf.task_queues = [Queue("default", Exchange("default"), routing_key="default")]
app.conf.task_default_queue = "default"


def task(name, *args):
    return app.signature(name, args=args, options={{"ignore_result": False}})


header = [task("probe.add", 1, 1), task("probe.plain_add", 2, 2), task("probe.add", 3, 3)]
print(chord(header, app=app)(task("probe.total")).get(timeout=60))
row = chord([task("probe.add", 1, 1)], task("probe.total"), app=app)
print(chord([row, task("probe.plain_add", 2, 2)], app=app)(task("probe.plain_note", "k")).get())
failing = chord([task("probe.add", 1, 1), task("probe.fail", "what")], app=app)
try:
    failing(task("probe.total")).get(timeout=60)
except Exception as error:
    print(type(error).__name__, error)
"""


@brokers(REDIS)
def test_a_plain_clients_chord_is_counted_by_its_redis(surface, results):
    surface.worker()
    program = textwrap.dedent(CLIENT).format(broker=surface.cluster.broker.url, backend=results)

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240
    )

    lines = done.stdout.splitlines()
    assert lines[:2] == ["12", "[2, 4]"], done.stderr
    assert "what" in lines[2]
