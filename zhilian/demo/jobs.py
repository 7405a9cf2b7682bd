"""The demo's two submitters, each in a thread: history at full speed, live events one by one."""

import datetime as dt
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from django.db import connections

import neural
from neural.events.answers import Submission
from neural.events.submit import submit_many
from zhilian.demo import cases, live, till_days
from zhilian.demo.bakery import AnswerCounts, replay_bakery
from zhilian.demo.till import Till

REQUESTED_BY = "demo"
LONGEST_PAUSE = 0.2


class Job(threading.Thread):
    """Submits until it is finished or ``stopping()`` is true; counts answers, keeps its error."""

    def __init__(self, name: str, *, stopping: Callable[[], bool]) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = stopping
        self.tally = AnswerCounts()
        self.error: Exception | None = None

    @property
    def is_through(self) -> bool:
        """Whether it was started and has ended."""
        return self.ident is not None and not self.is_alive()

    def run(self) -> None:
        """Submit, and keep the error."""
        try:
            self.submit_all()
        except Exception as error:  # noqa: BLE001 (the main thread raises it)
            self.error = error
        finally:
            connections.close_all()

    def submit_all(self) -> None:
        """Do the work, calling ``stopping`` between events."""
        raise NotImplementedError


class ReplayJob(Job):
    """Submits the bakery chain's sales, as history."""

    def __init__(self, *, shops: int, days: int, stopping: Callable[[], bool]) -> None:
        super().__init__("demo-replay", stopping=stopping)
        self.shops, self.days = shops, days

    def submit_all(self) -> None:
        """Submit every event of the chosen shops and days."""
        replay = replay_bakery(shops=self.shops, days=self.days, requested_by=REQUESTED_BY)
        with closing(replay) as answers:
            for answer in answers:
                self.tally.count(answer)
                if self.stopping():
                    break


class LiveJob(Job):
    """Submits invented events: the tills' first days at once, as history, and then one by one at
    ``rate`` a second the cases, the tills' second days, and ordinary ones.

    When ``enough`` is set, it submits no more ordinary events.
    """

    def __init__(self, *, session: str, rate: float, stopping: Callable[[], bool]) -> None:
        super().__init__("demo-live", stopping=stopping)
        self.session, self.rate = session, rate
        self.enough = threading.Event()
        self.answers: dict[str, Submission] = {}
        self.tills: list[Till] = []

    def submit_all(self) -> None:
        """Submit until there is enough."""
        live.register_shops()
        self._open_tills()
        for name, request in self._events():
            answer = neural.submit(**request, requested_by=REQUESTED_BY)
            self.tally.count(answer)
            if name:
                self.answers[name] = answer
            self._pause()
            if self.stopping():
                break

    def _open_tills(self) -> None:
        now = dt.datetime.now(dt.UTC)
        today = live.business_days(now - till_days.OPEN_FOR)
        self.tills = till_days.play(session=self.session, now=now, today=today)
        requests = till_days.first_days(self.tills)
        for answer in submit_many(requests, backfill=True, requested_by=REQUESTED_BY):
            self.tally.count(answer)

    def _pause(self) -> None:
        until = time.monotonic() + 1 / self.rate
        while (left := until - time.monotonic()) > 0 and not self.stopping():
            time.sleep(min(left, LONGEST_PAUSE))

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Cases (with their steps' names) and ordinary events in turn, then the tills' events."""
        # Not for secrets. A session's name always gives the same events.
        dice = random.Random(self.session)
        ordinary = live.ordinary_events(session=self.session, dice=dice)
        for name, request in cases.steps(self.session):
            yield "", next(ordinary)
            yield name, request
        for request in till_days.second_days(self.tills):
            yield "", request
        while not self.enough.is_set():
            yield "", next(ordinary)
