"""Writes the lines of supervised programs to the terminal and to files."""

import datetime as dt
import logging
import logging.handlers
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

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
