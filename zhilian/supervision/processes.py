"""Runs several programs in one terminal, as `make up` does.

One thread and one loop copy the programs' output, restart what has died, and end everything when
asked to. Each program leads its own session, so Ctrl-C reaches only this process. It dies with this
process, even by SIGKILL (die_with_parent.py).
"""

import datetime as dt
import logging
import logging.handlers
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from zhilian.supervision.die_with_parent import dying_with_parent

COLOURS = (36, 33, 32, 35, 34, 31)
LOG_BYTES = 5 * 1024 * 1024
"""The largest size of one file. Three older ones are kept beside it."""
OLDER_LOGS = 3


class Console:
    """Writes lines with the name of the program they came from; in colour on a terminal.

    With a directory, each program's lines also go to its own file there, `<name>.log`. Only this
    process writes the files, so no line is torn, and it rotates them in time.
    """

    def __init__(self, names: list[str], output: TextIO, directory: Path | None = None) -> None:
        self.output = output
        self.width = max(map(len, [*names, "up"]))
        self.colours = dict(zip(names, COLOURS * len(names), strict=False))
        self.coloured = output.isatty() and "NO_COLOR" not in os.environ
        self.files = {name: LogFile(directory, name) for name in [*names, "up"] if directory}

    def write(self, name: str, line: str) -> None:
        """Write one line. If the terminal is gone, the work continues."""
        prefix = f"{name:<{self.width}} |"
        if self.coloured:
            prefix = f"\x1b[{self.colours.get(name, 1)}m{prefix}\x1b[0m"
        with suppress(OSError):
            print(prefix, line, file=self.output, flush=True)
        if name in self.files:
            # Programs write the time themselves; the supervisor's own lines do not.
            self.files[name].write(f"{_now()} {line}" if name == "up" else line)

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LogFile(logging.handlers.RotatingFileHandler):
    """A file of lines that is rotated when it has become large."""

    def __init__(self, directory: Path, name: str, *, size: int = LOG_BYTES) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(
            directory / f"{name}.log",
            maxBytes=size,
            backupCount=OLDER_LOGS,
            encoding="utf-8",
            errors="replace",
        )

    def write(self, line: str) -> None:
        """Write one line, unchanged."""
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Do nothing: on a full disk the work continues, and the terminal has the line."""


# Longer than a worker's soft shutdown (10 s) and the time to release its messages afterwards.
GRACE_SECONDS = 25.0
FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 10.0
# A program that ran for this long restarts with the first backoff.
STEADY_SECONDS = 30.0
TICK_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class ProgramSpec:
    """A program to run, with its name. `arguments` begin with an absolute path."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A program's process, and when it restarts after it has died."""

    def __init__(self, program: ProgramSpec) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_at = 0.0
        self.backoff = FIRST_BACKOFF_SECONDS
        self.early_ends = 0
        self.partial_line = b""

    def start(self, now: float) -> IO[bytes]:
        """Start the process and return the pipe with its output."""
        self.process = subprocess.Popen(
            dying_with_parent(self.program.arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.environment},
            start_new_session=True,
        )
        self.started_at = now
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout

    def has_died(self) -> bool:
        """Whether the process has ended. The rest of its session is then killed."""
        if self.process is None:
            return False
        # WNOWAIT keeps its process id, and so the group's, from being reused.
        if not os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        self.kill_group()
        self.process.wait()
        return True

    def terminate(self) -> None:
        """Send SIGTERM to the process itself: a worker's pool processes must not get it."""
        if self.process is not None:
            self.process.terminate()

    def kill_group(self) -> None:
        """Send SIGKILL to everything in the process's session."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def put_off(self, now: float) -> float:
        """Forget the dead process; return the seconds until it restarts."""
        self.process = None
        self.early_ends += 1
        if now - self.started_at > STEADY_SECONDS:
            self.backoff, self.early_ends = FIRST_BACKOFF_SECONDS, 0
        seconds, self.backoff = self.backoff, min(2 * self.backoff, LONGEST_BACKOFF_SECONDS)
        self.start_at = now + seconds
        return seconds


class Supervisor:
    """Keeps `programs` running until SIGINT, SIGTERM or SIGHUP.

    `every_tick` is called several times a second while they run. With `logs`, a directory, each
    program's lines also go to its own file there. `grace` is how many seconds a stop may take.
    """

    def __init__(
        self,
        programs: list[ProgramSpec],
        *,
        output: TextIO = sys.stdout,
        every_tick: Callable[[], None] = lambda: None,
        grace: float = GRACE_SECONDS,
        logs: Path | None = None,
    ) -> None:
        self.children = [Child(program) for program in programs]
        self.console = Console([program.name for program in programs], output, logs)
        self.every_tick = every_tick
        self.grace = grace
        self.stop_signals = 0
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Start everything, watch it, and return when all of it has ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        try:
            while not self.stop_signals:
                self._start_what_is_due()
                self.every_tick()
                self._copy_output()
                self._put_off_the_dead()
        finally:
            self._stop_all()
            self.console.close()

    def stop(self) -> None:
        """Stop everything, as a signal does. For `every_tick`."""
        self.stop_signals += 1

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self.stop()

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None and child.start_at <= now:
                pipe = child.start(now)
                self._selector.register(pipe, selectors.EVENT_READ, child)

    def _put_off_the_dead(self) -> None:
        for child in self.children:
            if child.process is not None and child.has_died():
                code = child.process.returncode
                self._drain(child)
                seconds = child.put_off(time.monotonic())
                self.console.write(
                    "up",
                    f"{child.program.name} {how_it_ended(code)}; "
                    f"starting it again in {seconds:.0f} s",
                )

    def _copy_output(self, timeout: float = TICK_SECONDS) -> None:
        for key, _ in self._selector.select(timeout):
            self._read(key.data, key.fd)

    def _read(self, child: Child, descriptor: int) -> bool:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        *lines, child.partial_line = (child.partial_line + data).split(b"\n")
        for line in lines:
            self.console.write(child.program.name, line.decode(errors="replace"))
        if not data:
            self._selector.unregister(descriptor)
        return bool(data)

    def _drain(self, child: Child) -> None:
        assert child.process is not None
        assert child.process.stdout is not None
        with child.process.stdout as pipe:
            while pipe.fileno() in self._selector.get_map() and self._read(child, pipe.fileno()):
                pass
            if pipe.fileno() in self._selector.get_map():
                self._selector.unregister(pipe)
        if child.partial_line:
            self.console.write(child.program.name, child.partial_line.decode(errors="replace"))
            child.partial_line = b""

    def _stop_all(self) -> None:
        running = [child for child in self.children if child.process is not None]
        asked_before = self.stop_signals  # read first: whoever reads the line may be quick
        self.console.write("up", f"stopping, {self.grace:.0f} s at most; again to stop at once")
        deadline = time.monotonic() + self.grace
        for child in running:
            child.terminate()
        while running and time.monotonic() < deadline and self.stop_signals <= asked_before:
            self._copy_output()
            running = [child for child in running if not self._has_ended(child)]
        for child in running:
            self.console.write("up", f"{child.program.name} did not stop: killing it")
            child.kill_group()
        while running:
            running = [child for child in running if not self._has_ended(child)]
            time.sleep(0.01)

    def _has_ended(self, child: Child) -> bool:
        if not child.has_died():
            return False
        self._drain(child)
        child.process = None
        return True


def how_it_ended(code: int) -> str:
    """A return code in words: 'was killed by SIGKILL', 'ended with exit code 1'."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
