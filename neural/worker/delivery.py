"""The work that one message leads to: its own run, then other due runs on its queue.

Only runs of atomic handlers are batched, until none is due or the message's time
(``batch_claim_seconds``) is up. Going through the broker for each run would cost a worker several
times as much as a quick run does.
"""

import time
from collections.abc import Sequence

from neural.conf import conf
from neural.ledger import batch, execute
from neural.ledger.claim import claim, own_claimant
from neural.ledger.outcome import Outcome
from neural.ledger.work import WorkSource


class Delivery:
    """The work of one message, and its outcomes."""

    def __init__(
        self, source: WorkSource, task_id: str, *, task: str, queue: str, batchable: Sequence[str]
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.is_more: bool | None = None
        """Whether runs are left that could be batched; None if nobody has checked."""
        self._source = source
        self._task_id = task_id
        self._task = task
        self._queue = queue
        self._batchable = batchable
        self._began = time.perf_counter()

    @property
    def own(self) -> Outcome | None:
        """The outcome of the message's own run; None if the message came late."""
        return self._own_among(self.outcomes)

    @property
    def batched(self) -> Sequence[Outcome]:
        """The outcomes of the other runs."""
        return [each for each in self.outcomes if each.run.task_id != self._task_id]

    def work(self) -> None:
        """Claim and run: first the message's own run, then batches while there is time."""
        self._take(self._task_id, limit=self._first_slots() if self._batchable else 1)
        while self._batchable and self.is_more and self._has_time():
            self._take("", limit=self._slots() + 1)  # the slot of the message's own run is free

    def _take(self, task_id: str, *, limit: int) -> None:
        runs = claim(
            task_id=task_id,
            task=self._task,
            claimant=own_claimant(),
            queue=self._queue,
            batchable=self._batchable,
            limit=limit,
        )
        outcomes = batch.run_claimed(self._source, runs) if runs else []
        self.outcomes += outcomes
        self.is_more = self._left_more(outcomes, limit)

    def _left_more(self, outcomes: Sequence[Outcome], limit: int) -> bool | None:
        own = self._own_among(outcomes)
        if own and self._goes_alone(own):
            return None
        slots = limit if own else limit - 1
        return len(outcomes) >= slots or any(each.not_started for each in outcomes)

    def _own_among(self, outcomes: Sequence[Outcome]) -> Outcome | None:
        return next((each for each in outcomes if each.run.task_id == self._task_id), None)

    def _goes_alone(self, outcome: Outcome) -> bool:
        """Whether no other run was looked for, nor will be.

        Limits that its message has apply to this run alone.
        """
        return outcome.run.goes_alone or outcome.run.handler not in self._batchable

    def _first_slots(self) -> int:
        """How many runs to claim first. At least two if allowed, as its own may be done already."""
        most = conf().batch_claim_runs
        return min(most, max(2, self._fitting(conf().batch_claim_seconds)))

    def _slots(self) -> int:
        return min(conf().batch_claim_runs, self._fitting(self._seconds_left()))

    def _fitting(self, seconds: float) -> int:
        """How many runs fit into these seconds, estimated from this queue's last runs."""
        return execute.fitting(self._queue, seconds=seconds, unknown=conf().batch_claim_runs)

    def _has_time(self) -> bool:
        """Whether half of the time is left, so that batched runs exceed it by little."""
        return self._seconds_left() > conf().batch_claim_seconds / 2

    def _seconds_left(self) -> float:
        return conf().batch_claim_seconds - (time.perf_counter() - self._began)
