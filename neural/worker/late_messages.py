"""Acknowledges messages of runs that are done already, without sending them to the pool.

A worker that takes a message claims a batch of other due runs, so most later messages are late. In
the pool, each would cost a dispatch, Celery's tracing and a claim that finds nothing. So the pool's
processes note the runs that they have done, after the commit, in memory shared with the worker's
main process. That process looks a message up before it sends it to the pool.

The same memory knows which runs of a batch still wait for their turn. If the process dies, they are
innocent: only the runs that had begun count a lost delivery.

The memory may be wrong. Forgetting a done run costs a claim that finds nothing. A run wrongly taken
for done costs one message, which the relay sends again. Forgetting a waiting run costs it a lost
delivery, so it is claimed alone once. So there is no lock and nothing to repair: a
process may die at any point, and a process forked later shares the rest.
"""

import mmap
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from neural.broker.message import RUN_HEADER
from neural.ledger import dialects, ports
from neural.ledger.outcome import Outcome
from neural.models import TaskRun

SLOTS = 1 << 19
"""4 MiB, of which only the part that was ever written takes memory."""
QUEUE_SLOTS = 64
_WORD = 8
_STREAMED, _TAKEN = 1, 2


class Done(NamedTuple):
    """A run that was done by this worker."""

    streamed: bool
    """Whether the event stream has been sent the run's outcome."""


class DoneRuns:
    """Runs that are done and whose messages are still to come, each in the slot of its id's hash.

    A slot is one aligned word, read and written as a whole; the latest run in a slot stays.
    """

    def __init__(self, *, slots: int = SLOTS) -> None:
        memory = mmap.mmap(-1, (slots + QUEUE_SLOTS) * _WORD)
        self._words = memoryview(memory).cast("Q")
        self._slots = slots

    def remember(self, task_id: str, *, streamed: bool) -> None:
        """Note that this run is done and committed, so its message may be discarded."""
        hashed = _hash(task_id)
        self._words[hashed % self._slots] = _word(hashed) | streamed

    def recall(self, task_id: str) -> Done | None:
        """The run if it is done, else None. It is then forgotten.

        So if the note was wrong, or the id is used again years later, the relay's next message gets
        through.
        """
        hashed = _hash(task_id)
        slot = hashed % self._slots
        found = self._words[slot]
        if found & ~_STREAMED != _word(hashed):
            return None
        self._words[slot] = 0
        return Done(streamed=bool(found & _STREAMED))

    def expect_more(self, queue: str, *, more: bool) -> None:
        """Note whether the last delivery on this queue left due runs behind."""
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
    """The word for a slot. It is never 0, which marks an empty slot."""
    return hashed & ~_STREAMED | _TAKEN


_done: DoneRuns | None = None


def prepare() -> None:
    """Allocate the memory, in a worker's main process before its pool is forked."""
    global _done
    _done = DoneRuns()
    ports.note_waiting = note_waiting


def forget() -> None:
    """Release the memory when the worker stops."""
    global _done
    _done = None


def note(outcomes: Sequence[Outcome], *, streamed: bool) -> None:
    """Note these committed outcomes, whose own messages are still to come."""
    connection = dialects.ledger_connection()
    if _done is None or connection.in_atomic_block:
        return
    for outcome in outcomes:
        # A succeeded run never runs again. A dead or waiting run may, under the same id.
        if outcome.succeeded:
            _done.remember(outcome.run.task_id, streamed=streamed)


def note_more(queue: str, more: bool) -> None:
    """Note whether the latest delivery on this queue left due runs behind."""
    if _done is not None:
        _done.expect_more(queue, more=more)


def note_waiting(runs: Sequence[TaskRun], *, waiting: bool) -> None:
    """Note that these claimed runs of a batch wait for their turn, or that they begin."""
    if _done is None:
        return
    for run in runs:
        if waiting:
            _done.remember(_claim_of(run), streamed=False)
        else:
            _done.recall(_claim_of(run))


def pop_waiting(runs: Sequence[TaskRun]) -> list[TaskRun]:
    """The runs among these, claimed by a process that died, that had not begun. They are then
    forgotten."""
    return [run for run in runs if _done is not None and _done.recall(_claim_of(run))]


def _claim_of(run: TaskRun) -> str:
    """What no other run and no other claim of this run has."""
    return f"{run.pk} {run.token}"


def known_as_done(message: Any) -> Done | None:
    """The done run of a message that need not go to the pool, else None."""
    if _done is None or not message.headers.get(RUN_HEADER):
        return None
    if _done.expects_more(str(message.delivery_info.get("routing_key") or "")):
        return None
    return _done.recall(str(message.headers.get("id")))
