"""The demo's workers: real ones, supervised, with their lines in a file."""

import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from django.conf import settings

from zhilian.celery import app
from zhilian.supervision.console import Console
from zhilian.supervision.processes import ProgramSpec, Supervisor

LINES_TOLD = 5
"""How many of a worker's last lines are shown if it cannot start."""


def programs(*, concurrency: int) -> list[ProgramSpec]:
    """One worker for ``high_priority`` alone, and one for all queues."""
    queues = ",".join(app.amqp.queues)
    return [
        _worker("demo-high", "high_priority", 1),
        _worker("demo-all", queues, concurrency),
    ]


def _worker(name: str, queues: str, concurrency: int) -> ProgramSpec:
    manage = str(Path(settings.BASE_DIR, "manage.py"))
    # The process id keeps a second demo's workers apart from this one's.
    options = f"--verbosity 0 --name {name}-{os.getpid()} --queues {queues}"
    arguments = [sys.executable, manage, "worker", *options.split()]
    return ProgramSpec(name=name, arguments=[*arguments, "--concurrency", str(concurrency)])


class WatchedConsole(Console):
    """Writes the workers' lines to a file, and the supervisor's lines to people as well."""

    def __init__(self, names: list[str], log: TextIO, say: Callable[[str], None]) -> None:
        super().__init__(names, log)
        self.say = say
        self.notices: list[str] = []
        self.last_lines = {name: deque[str](maxlen=LINES_TOLD) for name in names}

    def write(self, name: str, line: str) -> None:
        """Write one line. The supervisor's own lines are notices."""
        super().write(name, line)
        if name in self.last_lines:
            self.last_lines[name].append(line)
        if name == "up":
            self.notices.append(line)
            self.say(line)


def supervisor(
    *,
    concurrency: int,
    log: TextIO,
    say: Callable[[str], None],
    every_tick: Callable[[], None],
) -> Supervisor:
    """A supervisor that keeps the workers running until told to stop."""
    made = Supervisor(programs(concurrency=concurrency), output=log, every_tick=every_tick)
    made.console = WatchedConsole([child.program.name for child in made.children], log, say)
    return made
