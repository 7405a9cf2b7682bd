"""Runs the demo: starts workers and two submitters, and watches both until all is finished."""

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings

from neural.ledger.clock import database_clock
from neural.queues import LOW_PRIORITY_QUEUE
from neural.retrieval.index.lag import index_lag
from neural.retrieval.models import OutboxEntry
from zhilian.celery import app
from zhilian.demo.jobs import LiveJob, ReplayJob
from zhilian.demo.progress import DemoProgress, Session
from zhilian.demo.training import Training
from zhilian.supervision.processes import Child, Console, ProgramSpec, Supervisor

LAST_LINES = 5
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
        self.last_lines = {name: deque[str](maxlen=LAST_LINES) for name in names}

    def write(self, name: str, line: str) -> None:
        """Write one line; say it if it is the supervisor's own."""
        super().write(name, line)
        if name in self.last_lines:
            self.last_lines[name].append(line)
        if name == "up":
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


LOOK_SECONDS = 0.5
WORKERS = 2
SETTLING_SECONDS = 1.5
"""From a worker's row to its readiness. An earlier live event would measure the worker's start."""
EARLY_ENDS = 2
STALLED_SECONDS = 180.0
"""Longer than it takes to replace a lost worker."""


class Stalled(Exception):
    """Nothing has changed for a long time."""


class WorkersCannotStart(Stalled):
    """A worker has ended twice, soon after its start, and none has done anything."""


class Demonstration:
    """Runs the demo in the main thread: the demo's processes die with the thread that starts
    them."""

    def __init__(
        self,
        *,
        shops: int,
        days: int,
        live_rate: float,
        concurrency: int,
        log: TextIO,
        keep_broker: Callable[[], None],
    ) -> None:
        self.session = Session()
        self.replay = ReplayJob(shops=shops, days=days, stopping=self._is_stopping)
        self.live = LiveJob(session=self.session.name, rate=live_rate, stopping=self._is_stopping)
        self.is_indexing = False
        self.is_indexed = False
        self.why_not_searchable = ""
        self.training = Training()
        self.progress = DemoProgress(shops * days)
        self.keep_broker = keep_broker
        self.supervisor = supervisor(
            concurrency=concurrency, log=log, say=self.progress.say, every_tick=self._tick
        )
        self.finished = False
        self.error: Exception | None = None
        self._next_look_at = 0.0
        self._workers_came_at = 0.0
        self._moved_at = time.monotonic()
        self._last_seen: tuple[Any, ...] = ()

    def run(self) -> bool:
        """Run the demo. Returns False if it was interrupted; raises the error that ended it."""
        with _signal_handlers_restored():
            try:
                self.replay.start()
                self.supervisor.run()
            finally:
                self.supervisor.stop()
                self._wait_for_jobs()
        for error in (self.replay.error, self.live.error, self.error):
            if error is not None:
                raise error
        return self.finished

    def _tick(self) -> None:
        """Called several times a second by the supervisor."""
        self.keep_broker()
        if time.monotonic() < self._next_look_at:
            return
        self._look()
        self._next_look_at = time.monotonic() + LOOK_SECONDS

    def _look(self) -> None:
        waiting = self.session.open_by_queue()
        self._show(waiting[LOW_PRIORITY_QUEUE], waiting.total())
        self._start_live_events()
        if self.replay.is_through and not waiting[LOW_PRIORITY_QUEUE]:
            self.live.enough.set()
            if self.live.is_through and not self.session.open_by_queue():
                self._index()
                if self.is_indexed:
                    self._train()
        if self.finished or self.replay.error or self.live.error or self._has_stalled():
            self.supervisor.stop()

    def _index(self) -> None:
        """When all events are processed, wait until the last of them can be found."""
        if self.is_indexed:
            return
        waiting = OutboxEntry.objects.waiting().count()
        self.is_indexing = True
        if waiting and (troubles := index_lag(now=database_clock()).troubles):
            self.why_not_searchable = troubles[0]
        self.is_indexed = not waiting or bool(self.why_not_searchable)
        self.progress.show_indexing(waiting=waiting)
        self._note(("indexing", waiting))

    def _train(self) -> None:
        """When all events are processed and found, run a training round and make its forecasts."""
        if not self.training.has_begun:
            self.training.begin(news=self.replay.tally.new > 0)
        progress = self.training.look()
        if progress is not None:
            self.progress.show_training(progress)
            self._note(("training", progress.round, progress.exchange))
        if self.training.is_through:
            self.training.look_back()
            self.finished = True

    def _note(self, seen: tuple[Any, ...]) -> None:
        if seen != self._last_seen:
            self._last_seen, self._moved_at = seen, time.monotonic()

    def _show(self, backlog: int, waiting: int) -> None:
        if self.is_indexing:
            return
        replay, sent = self.replay.tally, self.live.tally.total
        to_process = self.session.left_over + replay.new
        self.progress.show(
            submitted=replay.total,
            processed=max(0, to_process - backlog),
            to_process=to_process + self.progress.total - replay.total,
            live=f"live {sent:,} sent, {waiting - backlog:,} waiting",
        )
        # Live events continue whether or not anybody works. So what counts is what was finished.
        self._note((replay.total, replay.new + self.live.tally.new - waiting))

    def _start_live_events(self) -> None:
        if self.live.ident is not None:
            return
        if not self._workers_came_at:
            if self.session.workers_present() >= WORKERS:
                self._workers_came_at = time.monotonic()
        elif time.monotonic() > self._workers_came_at + SETTLING_SECONDS:
            self.live.start()

    def _has_stalled(self) -> bool:
        ended = [each.program.name for each in self.supervisor.children if ends_early(each)]
        if ended and not self.session.has_finished_any():
            message = "\n  ".join(
                [f"{ended[0]} cannot start. It message last:", *self._last(ended[0])]
            )
            self.error = WorkersCannotStart(message)
            return True
        if time.monotonic() < self._moved_at + STALLED_SECONDS:
            return False
        self.error = Stalled(f"nothing has moved for {STALLED_SECONDS:.0f} s")
        return True

    def _last(self, name: str) -> Iterable[str]:
        console = self.supervisor.console
        return console.last_lines[name] if isinstance(console, WatchedConsole) else ()

    def _is_stopping(self) -> bool:
        """Whether the jobs should stop. A signal stops them at once, not after the workers."""
        return self.supervisor.stop_signals > 0

    def _wait_for_jobs(self) -> None:
        for job in (self.replay, self.live):
            if job.ident is not None:
                job.join()


def ends_early(child: Child) -> bool:
    """Whether the program has ended repeatedly, each time soon after its start."""
    return child.early_ends >= EARLY_ENDS


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Restore the signal handlers, which the supervisor replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
