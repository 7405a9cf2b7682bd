"""One measurement: new database, submit, drain. Each step is a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.isolated import MEASURES, ROOT, Server
from benchmarks.peers.installing import python_of_peers
from zhilian.supervision.embedded import EmbeddedBroker

SINGLE = ("one_by_one_drain", "default_drain")
COSTS = ("processor_us_of_the_client", "processor_us_of_the_server", "statements")
"""What :meth:`Bench.costs` tells of each kind of work."""
FIGURES = ("single_submit", "bulk_submit", *SINGLE, "bulk_drain", "delay", "task_drain")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Events are submitted to an empty database and drained: two rates, under these names."""

    system: str
    """The dotted path of its :class:`System` within this folder."""
    submit: str
    """The driver's step: ``submit`` or ``submit_many``."""
    submit_figure: str | None
    drain_figures: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A system with its settings."""

    name: str
    apps: str = ""
    """The peer's apps and options in ``peer_settings``; empty: the benchmarks' own settings."""
    measurements: tuple[Measurement, ...]
    said: str
    """How the system is set up, for readers of the figures."""
    broker: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    newer_python: bool = False
    """It needs Python 3.12."""
    root: Path = ROOT
    """The folder whose code is measured."""

    @property
    def python(self) -> str:
        """The interpreter that has its packages."""
        return str(python_of_peers(newer=self.newer_python)) if self.apps else sys.executable


def _single(system: str) -> Measurement:
    return Measurement(
        system=system, submit="submit", submit_figure="single_submit", drain_figures=SINGLE
    )


def _bulk(system: str) -> Measurement:
    return Measurement(
        system=system,
        submit="submit_many",
        submit_figure="bulk_submit",
        drain_figures=("bulk_drain",),
    )


def _calls(system: str) -> Measurement:
    return Measurement(
        system=system, submit="submit", submit_figure="delay", drain_figures=("task_drain",)
    )


NEURAL = Candidate(
    name="neural",
    said="defaults, one worker with two processes; one_by_one_drain with batch_claim_runs 1",
    broker=True,
    environment={"NEURAL_SEARCH": "false"},
    measurements=(
        Measurement(
            system="ours.SINGLE",
            submit="submit",
            submit_figure="single_submit",
            drain_figures=("default_drain",),
        ),
        Measurement(
            system="ours.SINGLE",
            submit="submit",
            submit_figure=None,
            drain_figures=("one_by_one_drain",),
            environment={"NEURAL_BATCH_CLAIM_RUNS": "1"},
        ),
        _bulk("ours.BULK"),
        _calls("ours.TASKS"),
    ),
)

PEERS = (
    Candidate(
        name="procrastinate",
        apps="procrastinate_peer",
        said="Django integration, two worker processes with concurrency 1, jobs kept",
        measurements=(_single("procrastinate_peer.SYSTEM"), _bulk("procrastinate_peer.SYSTEM")),
    ),
    Candidate(
        name="celery",
        apps="celery_peer",
        said="delay_on_commit, defaults, django-db results, one prefork worker with two processes",
        broker=True,
        measurements=(_single("celery_peer.SYSTEM"),),
    ),
    Candidate(
        name="celery-reuse",
        apps="celery_peer",
        said="the same with CELERY_DB_REUSE_MAX=1000",
        broker=True,
        environment={"PEERS_DB_REUSE_MAX": "1000"},
        measurements=(_single("celery_peer.SYSTEM"), _calls("celery_peer.CALLS")),
    ),
    Candidate(
        name="celery-redis",
        apps="celery_peer",
        said="the same with results on Redis; calls alone, without an event",
        broker=True,
        environment={"PEERS_DB_REUSE_MAX": "1000", "PEERS_RESULTS": "broker"},
        measurements=(_calls("celery_peer.CALLS"),),
    ),
    Candidate(
        name="django-tasks-db",
        apps="django_tasks_peer",
        said="two db_worker processes, results kept",
        measurements=(_single("django_tasks_peer.SYSTEM"),),
    ),
    Candidate(
        name="django-q2",
        apps="django_q_peer",
        said="ORM broker, bulk 10, queue_limit 50, every outcome kept, a cluster of two workers",
        measurements=(_single("django_q_peer.SYSTEM"),),
    ),
    Candidate(
        name="django-ox",
        apps="django_ox_peer",
        said="two ox_worker processes with concurrency 1, results kept, Python 3.12",
        newer_python=True,
        measurements=(_single("django_ox_peer.SYSTEM"), _bulk("django_ox_peer.SYSTEM")),
    ),
    Candidate(
        name="pgqueuer",
        apps="pgqueuer_peer",
        said="asyncpg without Django, two workers with ten asynchronous jobs at once each",
        measurements=(_single("pgqueuer_peer.SYSTEM"), _bulk("pgqueuer_peer.SYSTEM")),
    ),
    Candidate(
        name="pgqueuer-two",
        apps="pgqueuer_peer",
        said="the same with one job at once each",
        environment={"PEERS_AT_ONCE": "1"},
        measurements=(_single("pgqueuer_peer.SYSTEM"), _bulk("pgqueuer_peer.SYSTEM")),
    ),
)


DURABILITY = ("fsync", "synchronous_commit", "wal_sync_method", "full_page_writes")
SERVER_SETTINGS = ("server_version", "shared_buffers", "max_wal_size", "wal_level", *DURABILITY)


def is_durable(settings: dict[str, str]) -> bool:
    """Whether a commit survives a power cut."""
    return settings["fsync"] == "on" and settings["synchronous_commit"] == "on"


class StepFailed(Exception):
    """A step of the driver failed; it has said why on stderr."""


class Bench:
    """Where candidates are measured, and with how many events."""

    def __init__(self, server: Server, broker: str | None, events: int) -> None:
        self._server = server
        self._broker = broker
        self._events = events

    def prepare(self, candidate: Candidate) -> None:
        """Create the migrated database that every measurement copies."""
        url = self._server.create(f"{database_of(candidate)}_template")
        with self._environment(candidate, url) as environment:
            self._step(candidate, candidate.measurements[0].system, "prepare", environment)

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """The candidate's figures, by name."""
        rates: dict[str, float] = {}
        for measurement in candidate.measurements:
            rates |= self.measured(candidate, measurement)
        return rates

    def measured(self, candidate: Candidate, measurement: Measurement) -> dict[str, float]:
        """The figures of one measurement, by name."""
        name = database_of(candidate)
        url = self._server.create(name, template=f"{name}_template")
        with self._environment(candidate, url) as environment:
            environment |= measurement.environment
            system = measurement.system
            submitted = self._step(candidate, system, measurement.submit, environment)
            drained = self._step(candidate, system, "drain", environment)
        rates = dict.fromkeys(measurement.drain_figures, drained)
        if measurement.submit_figure:
            rates[measurement.submit_figure] = submitted
        return rates

    @contextlib.contextmanager
    def costs(self, candidate: Candidate, runs: int) -> Iterator[Callable[[str], dict[str, float]]]:
        """Yield a function that measures a round of so many calls under a name of its own: what
        they cost Neural in processor time and statements (``benchmarks.costs``)."""
        name = database_of(candidate)
        url = self._server.create(name, template=f"{name}_template")
        command = [candidate.python, "-m", "benchmarks.costs", "--on-request", "--runs", str(runs)]
        pipe: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with (
            self._environment(candidate, url) as environment,
            subprocess.Popen(
                command, env={**environment, MEASURES: "1"}, cwd=candidate.root, **pipe
            ) as process,
        ):

            def ask(round_name: str) -> dict[str, float]:
                print(round_name, file=process.stdin, flush=True)
                answer = process.stdout.readline()
                if not answer:
                    raise StepFailed(f"no answer from {' '.join(command[1:])}")
                return {
                    f"{work}_{what}": cost
                    for work, costs in json.loads(answer).items()
                    for what, cost in costs.items()
                    if what in COSTS
                }

            yield ask

    def _step(
        self, candidate: Candidate, system: str, step: str, environment: Mapping[str, str]
    ) -> float:
        command = [
            candidate.python,
            "-m",
            "benchmarks.peers.driver",
            system,
            step,
            str(self._events),
        ]
        return float(json.loads(output(command, environment, candidate.root))["rate"])

    @contextlib.contextmanager
    def _environment(self, candidate: Candidate, url: str) -> Iterator[dict[str, str]]:
        """Environment variables for the candidate's processes, with an empty broker."""
        with tempfile.TemporaryDirectory(prefix="neural-bench-") as folder:
            environment = {
                **_inherited(),
                "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
                "DATABASE_URL": url,
                "PYTHONPATH": str(candidate.root),
                "ZHILIAN_VAR": folder,
                "ZHILIAN_ENV_FILE": "",
                "ZHILIAN_LOG_LEVEL": "WARNING",
                **candidate.environment,
                **_settings_of(candidate),
            }
            with self._running_broker(candidate, Path(folder, "broker")) as broker:
                yield {**environment, "CELERY_BROKER_URL": broker}

    @contextlib.contextmanager
    def _running_broker(self, candidate: Candidate, folder: Path) -> Iterator[str]:
        if not candidate.broker:
            yield ""
        elif self._broker:
            empty(self._broker)
            yield self._broker
        else:
            with EmbeddedBroker(folder) as broker:
                yield broker.url


def output(command: list[str], environment: Mapping[str, str], folder: Path) -> bytes:
    """The output of a step. Unlike ``subprocess.run``, this does not kill the step on Ctrl-C: the
    step gets Ctrl-C too and must stop its workers. At the latest it stops them when it finds its
    database gone."""
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE) as step:
        printed, _ = step.communicate()
    if step.returncode:
        raise StepFailed(f"code {step.returncode}: {' '.join(command[1:])}")
    return printed


def empty(url: str) -> None:
    """Delete everything in a Redis database."""
    import redis

    redis.Redis.from_url(url).flushdb()


def _settings_of(candidate: Candidate) -> dict[str, str]:
    if not candidate.apps:
        return {}
    return {
        "DJANGO_SETTINGS_MODULE": "benchmarks.peers.peer_settings",
        "PEERS_APPS": candidate.apps,
    }


def database_of(candidate: Candidate) -> str:
    """Of this run alone: another one on the same server has its own."""
    return f"neural_bench_{candidate.name.replace('-', '_')}_{os.getpid()}"


def _inherited() -> dict[str, str]:
    """The caller's environment, without variables that would change how a system is set up."""
    systems = (
        "CELERY_",
        "NEURAL_",
        "ZHILIAN_",
        "PROCRASTINATE_",
        "PGQUEUER_",
        "Q_CLUSTER",
        "PEERS_",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(systems)}
