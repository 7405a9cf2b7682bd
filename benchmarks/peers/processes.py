"""Runs worker processes during a drain."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

STOP_SECONDS = 30
LOG_BYTES = 8000


class WorkerEnded(Exception):
    """A worker ended while there was work left."""


class Workers:
    """The started processes. Their output is shown if a drain fails."""

    def __init__(self, commands: list[list[str]]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
            )
            for command in commands
        ]

    def must_live(self) -> None:
        """Raise unless all of them are running."""
        for process in self._processes:
            if process.poll() is not None:
                raise WorkerEnded(f"code {process.returncode}: {process.args!r}")

    def show_output(self) -> None:
        """Print the end of their output to stderr."""
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        print(text[-LOG_BYTES:], file=sys.stderr)

    def stop(self) -> None:
        """Ask all processes to end, and kill those that do not."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def running(commands: list[list[str]]) -> Iterator[Workers]:
    """Run these workers as long as the block lasts."""
    workers = Workers(commands)
    try:
        yield workers
    except BaseException:
        workers.show_output()
        raise
    finally:
        workers.stop()
