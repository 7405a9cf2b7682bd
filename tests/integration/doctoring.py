"""Plays a person in trouble: runs `doctor`, reads its findings, types the commands it names."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.cluster import PATIENT, ROOT, UNHURRIED, Cluster
from tests.watching import wait_until
from zhilian.supervision.die_with_parent import dying_with_parent


class Doctor:
    """The real `doctor` command on a test's cluster; the broker has ample time to answer it."""

    def __init__(self, cluster: Cluster, **neural: object) -> None:
        self.environment = cluster.environment(**{**UNHURRIED, **PATIENT, **neural})
        self.directory = cluster.directory

    def findings(self) -> dict[str, dict[str, str]]:
        """All findings by probe."""
        told = json.loads(self._run("manage.py", "doctor", "--json").stdout)
        return {finding["probe"]: finding for finding in told["findings"]}

    def finds(self, probe: str, status: str, *words: str) -> str:
        """Assert that a probe has this status and these words; returns its remedy."""
        finding = self.findings()[probe]
        assert finding["status"] == status, finding
        assert all(word in finding["found"] for word in words), finding
        return finding["remedy"]

    def is_content_with(self, *probes: str) -> bool:
        found = self.findings()
        return all(found[probe]["status"] == "ok" for probe in probes)

    def type(self, command: str, remedy: str, answer: str = "") -> str:
        """Run a command that the remedy names, to its end; returns its output."""
        assert command in remedy, remedy
        ended = self._run(*command.split(), answer=answer)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @contextmanager
    def type_and_leave(self, command: str, remedy: str) -> Iterator[None]:
        """Run a worker that the remedy names, as long as the block lasts."""
        assert command in remedy, remedy
        log = self.directory / "typed.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                dying_with_parent(self._arguments(command.split())),
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            wait_until(lambda: "event=worker_ready" in log.read_text(errors="replace"), 240)
            yield
        finally:
            process.kill()
            process.wait()

    def _run(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._arguments(words),
            cwd=ROOT, env=self.environment, capture_output=True, text=True,
            input=answer, timeout=300, check=False,
        )  # fmt: skip

    def _arguments(self, words: Any) -> list[str]:
        program, *rest = words
        return [sys.executable, *(["-m"] if program == "celery" else []), program, *rest]
