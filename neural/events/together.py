"""Records events of several threads in one transaction (a group commit).

A web process has several threads, and each submits one event at a time. While one of them writes,
the others wait for the database anyway. So the events that arrive meanwhile are gathered, and the
next thread writes them all by one statement. A thread that is alone waits for nobody.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import Error as DatabaseFailed

from neural.conf import conf
from neural.events import recording
from neural.events.answers import Submission
from neural.events.new_event import NewEvent
from neural.ledger.dialects import ledger_connection

FEW = 10
"""Chunks of more events are recorded as they are: they share nothing worth waiting for."""


def record(new_events: Sequence[NewEvent]) -> Sequence[Submission]:
    """Like :func:`neural.events.recording.record`, perhaps together with events that other threads
    submit now. Events of a caller's own transaction are recorded in that transaction."""
    if not 0 < len(new_events) <= FEW or not ledger_connection().get_autocommit():
        return recording.record(new_events)
    return _group.record(new_events)


@dataclass(eq=False)
class _Waiting:
    """A thread with its events. Once it is woken, it has answers, or leads, or, if neither, records
    its events alone."""

    new_events: Sequence[NewEvent]
    woken: threading.Event = field(default_factory=threading.Event)
    answers: Sequence[Submission] | None = None
    leads: bool = False


class _Group:
    """The threads of this process that wait to record events, and whether one of them leads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._is_led = False

    def record(self, new_events: Sequence[NewEvent]) -> Sequence[Submission]:
        mine = _Waiting(new_events)
        with self._lock:
            if self._is_led:
                self._waiting.append(mine)
            else:
                self._is_led = mine.leads = True
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._lead(mine)
        return recording.record(new_events) if mine.answers is None else mine.answers

    def _wait(self, mine: _Waiting) -> None:
        """Wait until woken. A thread that is interrupted (a time limit, Ctrl-C) leaves: otherwise
        it might be made to lead, and the others would wait for it for ever."""
        try:
            mine.woken.wait()
        except BaseException:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
            if mine.leads:
                self._let_another_lead()
            raise

    def _lead(self, mine: _Waiting) -> None:
        """Record the events of this thread and of those that wait. If that fails, it may be because
        of one of them, so each then records its own events.

        Once the events are written, the others have their answers and the next thread leads: this
        one publishes the messages meanwhile.
        """
        members = self._members(mine)
        handed_on = False

        def hand_on(answers: Sequence[Submission] | None) -> None:
            nonlocal handed_on
            handed_on = True
            self._let_another_lead()
            _wake(members, answers)

        try:
            recording.record([each for one in members for each in one.new_events], written=hand_on)
        except DatabaseFailed:
            if handed_on or len(members) == 1:
                raise
        finally:
            if not handed_on:
                hand_on(None)

    def _members(self, mine: _Waiting) -> Sequence[_Waiting]:
        """This thread and those that wait, within ``submit_chunk`` events."""
        members, size = [mine], len(mine.new_events)
        with self._lock:
            while self._waiting:
                size += len(self._waiting[0].new_events)
                if size > conf().submit_chunk:
                    break
                members.append(self._waiting.popleft())
        return members

    def _let_another_lead(self) -> None:
        with self._lock:
            following = self._waiting.popleft() if self._waiting else None
            self._is_led = following is not None
            if following is not None:
                following.leads = True
                following.woken.set()


def _wake(members: Sequence[_Waiting], answers: Sequence[Submission] | None) -> None:
    """Give each thread its answers, if there are any, and wake those that wait."""
    for one in members:
        if answers is not None:
            size = len(one.new_events)
            one.answers, answers = answers[:size], answers[size:]
        one.woken.set()


_group = _Group()


def _start_afresh() -> None:
    global _group
    _group = _Group()  # of the parent's threads, none is in a forked child


os.register_at_fork(after_in_child=_start_afresh)
