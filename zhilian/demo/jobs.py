"""The two submitters of the demo, each in a thread: history at full speed, live one by one."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.db import connections

import neural
from neural.events.answers import Submission
from neural.replay import cases, live
from neural.replay.replaying import Tally, replay_bakery

REQUESTED_BY = "demo"


class Job(threading.Thread):
    """Submits until it is through or told to stop; keeps count and its own error."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.tally = Tally()
        self.seconds = 0.0
        self.error: Exception | None = None
        self.stop_asked = threading.Event()

    def run(self) -> None:
        """Submit, measured."""
        began_at = time.perf_counter()
        try:
            self.submit_all()
        except Exception as error:  # noqa: BLE001 (the main thread raises it)
            self.error = error
        finally:
            self.seconds = time.perf_counter() - began_at
            connections.close_all()

    def submit_all(self) -> None:
        """Do the work, looking at ``stop_asked`` between events."""
        raise NotImplementedError


class ReplayJob(Job):
    """The bakery chain's sales, as history."""

    def __init__(self, *, shops: int, days: int) -> None:
        super().__init__("demo-replay")
        self.shops, self.days = shops, days

    def submit_all(self) -> None:
        """Submit every event of the chosen shops and days."""
        replay = replay_bakery(shops=self.shops, days=self.days, requested_by=REQUESTED_BY)
        with closing(replay) as answers:
            for answer in answers:
                self.tally.count(answer)
                if self.stop_asked.is_set():
                    break


class LiveJob(Job):
    """Invented events, one by one at ``rate`` a second: the cases, then ordinary ones.

    ``enough`` set: no more ordinary events.
    """

    def __init__(self, *, session: str, rate: float) -> None:
        super().__init__("demo-live")
        self.session, self.rate = session, rate
        self.enough = threading.Event()
        self.answers: dict[str, Submission] = {}

    def submit_all(self) -> None:
        """Submit until there is enough."""
        live.register_shops()
        for name, request in self._events():
            answer = neural.submit(**request, requested_by=REQUESTED_BY)
            self.tally.count(answer)
            if name:
                self.answers[name] = answer
            if self.stop_asked.wait(1 / self.rate):
                break

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Cases (with their steps' names) and ordinary events in turn."""
        # Not for secrets; a session's name makes its events, whenever it is asked.
        dice = random.Random(self.session)  # noqa: S311
        ordinary = live.ordinary_events(session=self.session, dice=dice)
        for name, request in cases.steps(self.session):
            yield "", next(ordinary)
            yield name, request
        while not self.enough.is_set():
            yield "", next(ordinary)
