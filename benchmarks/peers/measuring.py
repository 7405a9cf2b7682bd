"""One measurement: new database, submit, drain. Each step is a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.isolated import ROOT
from benchmarks.peers.server import Server
from benchmarks.peers.systems import Candidate, Measurement
from benchmarks.peers.venv import PEERS_PYTHON
from zhilian.supervision.embedded import EmbeddedBroker


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
        url = self._server.create(f"{_database(candidate)}_template")
        with self._environment(candidate, url) as environment:
            self._step(candidate, candidate.measurements[0].module, "prepare", environment)

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """The candidate's figures, by name."""
        rates: dict[str, float] = {}
        for measurement in candidate.measurements:
            rates |= self._measured(candidate, measurement)
        return rates

    def _measured(self, candidate: Candidate, measurement: Measurement) -> dict[str, float]:
        name = _database(candidate)
        url = self._server.create(name, template=f"{name}_template")
        with self._environment(candidate, url) as environment:
            environment |= measurement.environment
            module = measurement.module
            submitted = self._step(candidate, module, measurement.submit, environment)
            drained = self._step(candidate, module, "drain", environment)
        rates = dict.fromkeys(measurement.drain_figures, drained)
        if measurement.submit_figure:
            rates[measurement.submit_figure] = submitted
        return rates

    def _step(
        self, candidate: Candidate, module: str, step: str, environment: Mapping[str, str]
    ) -> float:
        python = PEERS_PYTHON if candidate.own_venv else Path(sys.executable)
        command = [str(python), "-m", "benchmarks.peers.driver", module, step, str(self._events)]
        return float(json.loads(_output(command, environment))["rate"])

    @contextlib.contextmanager
    def _environment(self, candidate: Candidate, url: str) -> Iterator[dict[str, str]]:
        """Environment variables for the candidate's processes, with an empty broker."""
        with tempfile.TemporaryDirectory(prefix="neural-bench-") as folder:
            environment = {
                **_inherited(),
                "DJANGO_SETTINGS_MODULE": candidate.settings,
                "DATABASE_URL": url,
                "PYTHONPATH": str(ROOT),
                "ZHILIAN_VAR": folder,
                "ZHILIAN_ENV_FILE": "",
                "ZHILIAN_LOG_LEVEL": "WARNING",
                **candidate.environment,
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


def _output(command: list[str], environment: Mapping[str, str]) -> bytes:
    """The output of a step. Unlike ``subprocess.run``, this does not kill the step on Ctrl-C: the
    step gets Ctrl-C too and must stop its workers. At the latest it stops them when it finds its
    database gone."""
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as step:
        printed, _ = step.communicate()
    if step.returncode:
        raise StepFailed(f"code {step.returncode}: {' '.join(command[1:])}")
    return printed


def empty(url: str) -> None:
    """Delete everything in a Redis database."""
    import redis

    redis.Redis.from_url(url).flushdb()


def _database(candidate: Candidate) -> str:
    return f"neural_bench_{candidate.name.replace('-', '_')}"


def _inherited() -> dict[str, str]:
    """The caller's environment, without variables that would change how a system is set up."""
    prefixes = ("CELERY_", "NEURAL_", "ZHILIAN_", "PROCRASTINATE_", "Q_CLUSTER", "PEERS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
