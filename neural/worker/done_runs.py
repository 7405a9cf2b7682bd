"""What a worker's pool has done ahead of the messages, in memory that its processes share.

A worker takes many runs along with one message, so most later messages are late. The pool's
processes write down here which runs they have done, after the commit; the worker's main
process looks a message up before it gives it to the pool (``late_messages``).

It is a memory and no truth: forgetting a run costs a claim that finds nothing, and a run
wrongly taken for done costs one message, which the relay sends again. So there is no lock and
nothing to repair: a process may die at any point, and whoever is forked later shares the rest.
"""

import mmap
from hashlib import blake2b
from typing import NamedTuple

SLOTS = 1 << 19
"""4 MiB, of which only what was ever written takes memory."""
QUEUE_SLOTS = 64
_WORD = 8
_TOLD, _TAKEN = 1, 2


class Done(NamedTuple):
    """A run that was done by this worker."""

    told: bool
    """Whether the event stream was told what became of it."""


class DoneRuns:
    """Runs done whose messages are still to come, each in the slot that its id's hash names.

    A slot is one aligned word, read and written whole; the latest run in a slot stays.
    """

    def __init__(self, *, slots: int = SLOTS) -> None:
        memory = mmap.mmap(-1, (slots + QUEUE_SLOTS) * _WORD)
        self._words = memoryview(memory).cast("Q")
        self._slots = slots

    def remember(self, task_id: str, *, told: bool) -> None:
        """This run is done and committed; its message may be thrown away."""
        hashed = _hash(task_id)
        self._words[hashed % self._slots] = _word(hashed) | told

    def recall(self, task_id: str) -> Done | None:
        """Whether this run is done. Said once, then forgotten: if that was an error, or the
        id is used again years later, the relay's next message gets through."""
        hashed = _hash(task_id)
        slot = hashed % self._slots
        found = self._words[slot]
        if found & ~_TOLD != _word(hashed):
            return None
        self._words[slot] = 0
        return Done(told=bool(found & _TOLD))

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
    return hashed & ~_TOLD | _TAKEN
