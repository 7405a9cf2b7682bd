"""A relay sends messages itself that nobody has sent in time: the broker is down, no worker reads
their queue, or their run was cancelled.

It is a duty of every relay. The relay's thread takes messages and records outcomes; only the
requests are made in a thread of their own, which has no database connection. So a slow chat service
stalls no heartbeat, and a fork copies no connection of SQLite in the middle of a statement.
"""

import datetime as dt
import os
import threading
import time
from collections.abc import Sequence

from django.db.models import Q
from django.db.models.functions import Now

from neural.ledger.clock import database_clock
from neural.monitoring.alerts.channels.base import Judgement
from neural.monitoring.alerts.sending import Attempt, conclude, take
from neural.monitoring.conf import conf
from neural.monitoring.models import AlertMessage

EVERY_SECONDS = 5
MOST_AT_ONCE = 3
LEASE = dt.timedelta(seconds=180)
"""What :data:`MOST_AT_ONCE` attempts take at the very most, one after the other."""
FORK_PATIENCE_SECONDS = 2


class Sender:
    """Sends in a thread of its own; there is at most one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._done: list[tuple[int, Judgement]] = []
        self._next = float("-inf")

    def turn(self) -> None:
        """Record what was sent meanwhile; every few seconds, look for messages that are late."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._record()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        if attempts := _taken():
            self._start(attempts)

    def wait(self, seconds: float) -> None:
        """Wait until nothing is being sent, for so many seconds at most."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _start(self, attempts: Sequence[Attempt]) -> None:
        self._thread = threading.Thread(
            target=self._send, args=(attempts,), name="neural-alerts", daemon=True
        )
        self._thread.start()

    def _send(self, attempts: Sequence[Attempt]) -> None:
        for each in attempts:
            now = dt.datetime.now(dt.UTC)  # for the signature; the database is not asked here
            self._done.append((each.message, each.perform(now=now)))

    def _record(self) -> None:
        """Record the outcomes. Those that cannot be recorded stay for the next turn."""
        now = database_clock()
        while self._done:
            conclude(*self._done[0], now=now)
            self._done.pop(0)
        self._thread = None


def _taken() -> list[Attempt]:
    late = Now() - dt.timedelta(seconds=conf().alert_relay_after_seconds)
    is_free = Q(sending_until=None) | Q(sending_until__lte=Now())
    found = AlertMessage.objects.pending().filter(is_free, due_at__lte=late).order_by("due_at")
    messages = list(found[:MOST_AT_ONCE])
    if not messages:
        return []
    now = database_clock()
    attempts = (take(each, now=now, lease=LEASE) for each in messages)
    return [each for each in attempts if each is not None]


_sender = Sender()


def send_late_messages() -> None:
    """The duty of relays."""
    _sender.turn()


def _start_afresh() -> None:
    global _sender
    _sender = Sender()  # the thread stays with the parent


# A request in progress shall not be copied into the child with whatever lock it holds.
os.register_at_fork(
    before=lambda: _sender.wait(FORK_PATIENCE_SECONDS), after_in_child=_start_afresh
)
