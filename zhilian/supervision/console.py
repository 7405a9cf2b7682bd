"""Where the lines of programs that one process supervises go: its terminal, and files."""

import datetime as dt
import logging
import logging.handlers
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

COLOURS = (36, 33, 32, 35, 34, 31)
LOG_BYTES = 5 * 1024 * 1024
"""Of one file; three older ones are kept beside it."""
OLDER_LOGS = 3


class Console:
    """Writes lines with the name of the program they came from; in colour on a terminal.

    With a directory, each program's lines also go to a file of its own there, `<name>.log`.
    This process alone writes them, so that none is torn, and starts a new one in time.
    """

    def __init__(self, names: list[str], output: TextIO, directory: Path | None = None) -> None:
        self.output = output
        self.width = max(map(len, [*names, "up"]))
        self.colours = dict(zip(names, COLOURS * len(names), strict=False))
        self.coloured = output.isatty() and "NO_COLOR" not in os.environ
        self.files = {name: LogFile(directory, name) for name in [*names, "up"] if directory}

    def write(self, name: str, line: str) -> None:
        """One line. A terminal that has gone away is no reason to stop working."""
        prefix = f"{name:<{self.width}} |"
        if self.coloured:
            prefix = f"\x1b[{self.colours.get(name, 1)}m{prefix}\x1b[0m"
        with suppress(OSError):
            print(prefix, line, file=self.output, flush=True)
        if name in self.files:
            # Programs say themselves when; the supervisor's own lines do not.
            self.files[name].write(f"{_now()} {line}" if name == "up" else line)

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LogFile(logging.handlers.RotatingFileHandler):
    """A file of lines that starts anew when it has become large."""

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
        """One line, as it is."""
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """A full disk is no reason to stop working; the terminal has the line."""
