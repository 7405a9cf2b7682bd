"""The work that one message leads to: its own run, then other due runs on its queue.

Runs of atomic handlers are batched, until none is due or the message's time
(``batch_claim_seconds``) is up. Other runs of the same handler or task are executed in turn, each
in its own transaction (:mod:`neural.worker.in_turn`), if they are known to be quick: a slow run
would make those wait that were claimed with it, so of a handler or task whose pace is unknown, one
is claimed. Going through the broker for each run would cost a worker several times as much as a
quick run does. This has two consequences for the messages of these runs, which come late.

**Celery's event stream** (Flower, ``celery events``). Celery sends events about messages: received,
started, succeeded. A run that was batched with another's message would be shown as started for
ever, because its own message comes late and is ignored. So the process that did the run sends its
outcome. While nobody listens (workers without ``-E``, no Flower) it sends nothing. The worker's
main process sends 'received' and 'started' for the run's own message: Celery does so itself, and
this app does so for a late message that it acknowledges unread. Each is sent once for each run.
Events may be lost, these too.

**Late messages** are acknowledged without sending them to the pool. There, each would cost a
dispatch, Celery's tracing and a claim that finds nothing. So the pool's processes note the runs
that they have done, after the commit, in memory shared with the worker's main process
(:class:`DoneRuns`). That process looks a message up before it sends it to the pool. The same memory
knows which runs of a batch still wait for their turn. If the process dies, they are innocent: only
the runs that had begun count a lost delivery.

The memory may be wrong. Forgetting a done run costs a claim that finds nothing. A run wrongly taken
for done costs one message, which the relay sends again. Forgetting a waiting run costs it a lost
delivery, so it is claimed alone once. So there is no lock and nothing to repair: a process may die
at any point, and a process forked later shares the rest.
"""

import mmap
import time
from collections.abc import Sequence
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, NamedTuple

from celery import current_app
from celery.events import EventDispatcher
from celery.utils.saferepr import saferepr
from kombu import Producer

from neural.broker.message import RUN_HEADER
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.kit.conf import conf
from neural.ledger import batch, dialects, execute, ports
from neural.ledger.claim import MOST_LOSSES_IN_TURN, claim, own_claimant
from neural.ledger.outcome import Outcome
from neural.ledger.work import WorkSource, working_on
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.runs.models.run import has_limits
from neural.worker import in_turn

LISTENED = "neural_listened"
"""Part of a message to the pool: whether somebody listens to events (see ``request``)."""
RATE_LIMITED = "neural_rate_limited"
"""Part of a message to the pool: whether a rate limit holds for its task (see ``request``)."""
SLOTS = 1 << 19
"""4 MiB, of which only the part that was ever written takes memory."""
QUEUE_SLOTS = 64
_WORD = 8
_STREAMED, _TAKEN = 1, 2


recorded: ContextVar[Sequence[Outcome] | None] = ContextVar("recorded", default=None)
"""The outcomes of a message whose work was done before Celery traces it, in an event loop."""
has_loop = False
"""Whether this process does ``async def`` work in an event loop, each run by its own message."""


class InTurn(NamedTuple):
    """The runs of the message's task that may be executed in turn."""

    handler: str
    """Empty: the runs of the task itself."""
    atomic: bool


class Delivery:
    """The work of one message, and its outcomes."""

    def __init__(
        self,
        source: WorkSource,
        task_id: str,
        *,
        task: str,
        queue: str,
        batchable: Sequence[str],
        in_turn: InTurn | None = None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.is_more: bool | None = None
        """Whether runs are left that could be batched; None if nobody has checked."""
        self._source = source
        self._task_id = task_id
        self._task = task
        self._queue = queue
        self._batchable = batchable
        self.in_turn = in_turn
        self._began = time.perf_counter()

    @property
    def own(self) -> Outcome | None:
        """The outcome of the message's own run; None if the message came late."""
        return self._own_among(self.outcomes)

    @property
    def batched(self) -> Sequence[Outcome]:
        """The outcomes of the other runs, and of its own run if it was due again at once."""
        own = self.own
        return [each for each in self.outcomes if each is not own]

    def work(self) -> None:
        """Claim and run: first the message's own run, then others while there is time."""
        done = recorded.get()
        if done is not None:
            self.outcomes += done
            return
        # At least two if allowed: its own may be done already.
        fitting = self._fitting(conf().batch_claim_seconds)
        slots = fitting if self.in_turn else max(2, fitting)
        self._take(self._task_id, limit=min(self._most(), slots))
        while self.is_more and self._has_time():
            self._take("", limit=self._slots() + 1)  # the slot of the message's own run is free

    def _take(self, task_id: str, *, limit: int) -> None:
        with working_on(self._queue):  # known before a transaction begins
            runs = claim(
                task_id=task_id,
                task=self._task,
                claimant=own_claimant(),
                queue=self._queue,
                batchable=[self.in_turn.handler] if self.in_turn else self._batchable,
                limit=limit,
                in_turn=self.in_turn is not None,
                waits=self.in_turn is not None and not self.in_turn.atomic,
            )
            if not runs:
                outcomes: Sequence[Outcome] = []
            elif self.in_turn:
                outcomes = in_turn.run_in_turn(self._source, runs, own=task_id)
            else:
                outcomes = batch.run_claimed(self._source, runs)
        self.outcomes += outcomes
        self.is_more = self._left_more(outcomes, limit)

    def _left_more(self, outcomes: Sequence[Outcome], limit: int) -> bool | None:
        if not (self._batchable or self.in_turn):
            return None
        own = self._own_among(outcomes)
        if own and self._goes_alone(own):
            return None
        slots = limit if own else limit - 1
        return len(outcomes) >= slots or any(each.skipped for each in outcomes)

    def _own_among(self, outcomes: Sequence[Outcome]) -> Outcome | None:
        return next((each for each in outcomes if each.run.task_id == self._task_id), None)

    def _goes_alone(self, outcome: Outcome) -> bool:
        """Whether no other run was looked for, nor will be.

        Limits that its message has apply to this run alone.
        """
        run = outcome.run
        if self.in_turn:
            is_poison = run.losses > MOST_LOSSES_IN_TURN or has_limits(run.options)
            return is_poison or run.handler != self.in_turn.handler
        return run.goes_alone or run.handler not in self._batchable

    def _slots(self) -> int:
        return min(self._most(), self._fitting(self._seconds_left()))

    def _most(self) -> int:
        if self.in_turn:
            return conf().in_turn_claim_runs
        return conf().batch_claim_runs if self._batchable else 1

    def _fitting(self, seconds: float) -> int:
        """How many runs fit into these seconds, estimated from this queue's last runs, or those of
        this task or handler."""
        if self.in_turn:
            pace = in_turn.pace_of(self._task, self.in_turn.handler)
            return execute.fitting(pace, seconds=seconds, unknown=1)
        return execute.fitting(self._queue, seconds=seconds, unknown=conf().batch_claim_runs)

    def _has_time(self) -> bool:
        """Whether half of the time is left, so that batched runs exceed it by little."""
        return self._seconds_left() > conf().batch_claim_seconds / 2

    def _seconds_left(self) -> float:
        return conf().batch_claim_seconds - (time.perf_counter() - self._began)


# Celery's event stream


def send_events(outcomes: Sequence[Outcome], *, hostname: str | None) -> None:
    """Send an event for each outcome, all in one message. If the broker is down, none is sent."""
    events = [event for event in map(_event, outcomes) if event]

    def send(producer: Producer) -> None:
        dispatcher = EventDispatcher(
            producer.connection,
            channel=producer.channel,  # type: ignore[arg-type]
            hostname=hostname,
            app=current_app,
            buffer_group=["task"],
            buffer_limit=len(events) + 1,
        )
        for kind, fields in events:
            dispatcher.send(kind, **fields)
        dispatcher.flush(errors=False)

    if events:
        try:
            publisher().lend(send)
        except BrokerUnavailable:
            return  # the publisher has logged it


def _event(outcome: Outcome) -> tuple[str, dict[str, Any]] | None:
    run = outcome.run
    fields: dict[str, Any] = {"uuid": run.task_id, "name": run.task, "args": run.work_name}
    if outcome.state == RunState.SUCCEEDED:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        return "task-succeeded", {**fields, "result": saferepr(outcome.value), "runtime": seconds}
    fields |= {"exception": outcome.error, "traceback": outcome.traceback}
    if outcome.state == RunState.DEAD:
        return "task-failed", fields
    if outcome.attempt_outcome == AttemptOutcome.FAILED:
        return "task-retried", fields
    return None


# Late messages


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
        """Note whether the last delivery on this queue left due runs behind. It may be part of a
        queue, such as a task's runs on it."""
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


def set_has_loop(value: bool) -> None:
    """Set :data:`has_loop`."""
    global has_loop
    has_loop = value


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


def note_more(queue: str, more: bool, *, task: str = "") -> None:
    """Note whether the latest delivery on this queue left due runs behind that are batched, or
    with ``task`` runs of this task that are executed in turn."""
    if _done is not None:
        _done.expect_more(f"{queue} {task}", more=more)


def note_waiting(runs: Sequence[TaskRun], *, waiting: bool) -> bool:
    """Note that these claimed runs wait for their turn, or that they begin. Returns whether one
    that begins was not noted any more."""
    if _done is None:
        return False
    if waiting:
        for run in runs:
            _done.remember(_claim_of(run), streamed=False)
        return False
    return None in [_done.recall(_claim_of(run)) for run in runs]


def pop_waiting(runs: Sequence[TaskRun]) -> list[TaskRun]:
    """The runs among these that have been claimed and have not begun. They are then forgotten."""
    return [run for run in runs if _done is not None and _done.recall(_claim_of(run))]


def _claim_of(run: TaskRun) -> str:
    """What no other run and no other claim of this run has."""
    return f"{run.pk} {run.token}"


def known_as_done(message: Any) -> Done | None:
    """The done run of a message that need not go to the pool, else None."""
    if _done is None or not message.headers.get(RUN_HEADER):
        return None
    queue = str(message.delivery_info.get("routing_key") or "")
    if any(_done.expects_more(f"{queue} {task}") for task in ("", message.headers.get("task"))):
        return None
    return _done.recall(str(message.headers.get("id")))
