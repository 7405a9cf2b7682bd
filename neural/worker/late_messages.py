"""Messages of runs that are done: acknowledged where they arrive.

A worker that takes a message claims a batch of what else is due, so most later messages are late.
Through the pool each would cost a dispatch, Celery's tracing and a claim that finds nothing.
So the pool's processes write down which runs they have done, after the commit, in memory that they
share with the worker's main process, which looks a message up before it gives it to the pool.

It is a memory and no truth: forgetting a run costs a claim that finds nothing, and a run
wrongly taken for done costs one message, which the relay sends again. So there is no lock and
nothing to repair: a process may die at any point, and whoever is forked later shares the rest.
"""

import mmap
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from neural.broker.message import RUN_HEADER
from neural.ledger import dialects
from neural.ledger.outcome import Outcome

SLOTS = 1 << 19
"""4 MiB, of which only what was ever written takes memory."""
QUEUE_SLOTS = 64
_WORD = 8
_STREAMED, _TAKEN = 1, 2


class Done(NamedTuple):
    """A run that was done by this worker."""

    streamed: bool
    """Whether the event stream has been sent what became of it."""


class DoneRuns:
    """Runs done whose messages are still to come, each in the slot that its id's hash names.

    A slot is one aligned word, read and written whole; the latest run in a slot stays.
    """

    def __init__(self, *, slots: int = SLOTS) -> None:
        memory = mmap.mmap(-1, (slots + QUEUE_SLOTS) * _WORD)
        self._words = memoryview(memory).cast("Q")
        self._slots = slots

    def remember(self, task_id: str, *, streamed: bool) -> None:
        """This run is done and committed; its message may be thrown away."""
        hashed = _hash(task_id)
        self._words[hashed % self._slots] = _word(hashed) | streamed

    def recall(self, task_id: str) -> Done | None:
        """Whether this run is done. Said once, then forgotten: if that was an error, or the
        id is used again years later, the relay's next message gets through."""
        hashed = _hash(task_id)
        slot = hashed % self._slots
        found = self._words[slot]
        if found & ~_STREAMED != _word(hashed):
            return None
        self._words[slot] = 0
        return Done(streamed=bool(found & _STREAMED))

    def expect_more(self, queue: str, *, more: bool) -> None:
        """Whether the last delivery on this queue left due runs behind."""
        self._words[self._of_queue(queue)] = more

    def expects_more(self, queue: str) -> bool:
        """Whether a message of this queue is worth a claim, even if its own run is done."""
        return bool(self._words[self._of_queue(queue)])

    def _of_queue(self, queue: str) -> int:
        return self._slots + _hash(queue) % QUEUE_SLOTS


def _hash(text: str) -> int:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=_WORD)
    return int.from_bytes(digest.digest())


def _word(hashed: int) -> int:
    """Never 0, which is an empty slot."""
    return hashed & ~_STREAMED | _TAKEN


_done: DoneRuns | None = None


def prepare() -> None:
    """Make the memory, in a worker's main process before its pool is forked."""
    global _done
    _done = DoneRuns()


def forget() -> None:
    """The worker stops."""
    global _done
    _done = None


def note(outcomes: Sequence[Outcome], *, streamed: bool) -> None:
    """These are committed, and their own messages are still to come."""
    connection = dialects.ledger_connection()
    if _done is None or connection.in_atomic_block:
        return
    for outcome in outcomes:
        # A succeeded run never runs again. What is dead or waits does, under the same id.
        if outcome.succeeded:
            _done.remember(outcome.run.task_id, streamed=streamed)


def note_more(queue: str, more: bool) -> None:
    """Whether the latest delivery on this queue left due runs behind."""
    if _done is not None:
        _done.expect_more(queue, more=more)


def known_as_done(message: Any) -> Done | None:
    """What is known of a run's message, if it need not go to the pool."""
    if _done is None or not message.headers.get(RUN_HEADER):
        return None
    if _done.expects_more(str(message.delivery_info.get("routing_key") or "")):
        return None
    return _done.recall(str(message.headers.get("id")))
