"""Claims the runs of messages, has them executed, and records their outcomes.

All that touches the ledger is done in one thread, so what arrives or ends meanwhile is claimed or
settled together, and waits for the disk once.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from celery import current_app

from neural.kit.conf import conf
from neural.ledger import dialects
from neural.ledger.claim import claim, claim_each, own_claimant
from neural.ledger.execute import record_failure, run_alone, settle_in_time
from neural.ledger.outcome import Outcome, expired, failed, is_expired, log_outcomes, log_started
from neural.ledger.settle import mark_lost
from neural.ledger.work import Clock, WorkSource, current
from neural.ledger.work_errors import describe, only_exceptions
from neural.models import TaskRun
from neural.worker.asynchronous.lane import Lane
from neural.worker.asynchronous.loop import Loop, UnderWay
from neural.worker.recovery import hard_limit

logger = logging.getLogger(__name__)

SUSPECTS = 10
"""How many runs that were lost before may be under way together."""
Answer = Callable[[Sequence[Outcome]], object]
"""Called with the outcome of a message's run; with none if the message came late."""


class Asked(NamedTuple):
    """A message that asks for its run to be executed."""

    task_id: str
    source: Any
    """The :class:`~neural.ledger.work.WorkSource`, which is the message's task."""
    answer: Answer


class Runner:
    """Executes the runs of messages, at most ``limit`` at a time."""

    def __init__(
        self, *, limit: int, lane: Callable[[str], Lane] = Lane, loop: Callable[..., Loop] = Loop
    ) -> None:
        self.limit = limit
        self.ledger = lane("neural-ledger")
        self.others = lane("neural-not-async")
        """For work that is no coroutine."""
        self.loop = loop(on_end=self._note_end)
        self._turn_is_due = False
        self._arrived: deque[Asked] = deque()
        self._asked: dict[str, Asked] = {}
        self._suspects: dict[str, Asked] = {}
        self._under_way: dict[str, tuple[UnderWay, Asked]] = {}
        self._ended: deque[tuple[UnderWay, Outcome]] = deque()
        self._claims = True

    def ask(self, asked: Asked) -> None:
        """Claim the run of a message as soon as there is room; from any thread."""
        self._arrived.append(asked)
        self._want_turn()

    def claim_no_more(self) -> None:
        """From now on only finish what is under way. Safe in a signal handler: it sets a flag."""
        self._claims = False

    def under_way(self) -> Sequence[UnderWay]:
        """The runs that are being executed; from any thread."""
        return [it for it, _ in list(self._under_way.values())]

    def give_up(self, it: UnderWay, *, why: str) -> None:
        """Count a lost delivery for a run whose coroutine does not end; from any thread."""
        self.ledger.put(partial(self._give_up, it, why))

    def drop_revoked(self) -> None:
        """Cancel the runs that no longer belong to this process; from any thread."""
        self.ledger.put(self._drop_revoked)

    def stop(self) -> None:
        """Record what has ended, and cancel the rest, which is left to be released."""
        self.claim_no_more()
        with suppress(TimeoutError):
            self.ledger.put(self.turn).exception(timeout=conf().settle_seconds)
        for it in self.under_way():
            self.loop.cancel(it)
        self.loop.leave()

    def _want_turn(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self.ledger.put(self.turn)

    def turn(self) -> None:
        """Record what has ended, then claim what was asked for. In the ledger's thread."""
        self._turn_is_due = False  # whatever comes from now on has the next turn
        self._record()
        self._take_arrived()
        try:
            if self._claims:
                self._claim()
        except Exception as error:
            logger.warning(
                "event=claim_failed error=%r",
                describe(error),
                exc_info=not dialects.is_outage(error),
            )
            for asked in [*self._asked.values(), *self._suspects.values()]:
                asked.answer(())  # the run is pending: a relay sends another message
            self._asked, self._suspects = {}, {}

    # Recording

    def _note_end(self, it: UnderWay, outcome: Outcome) -> None:
        self._ended.append((it, outcome))
        self._want_turn()

    def _record(self) -> None:
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        ended = [(it, outcome) for it, outcome in ended if not it.is_dropped]
        if not ended:
            return
        outcomes = _recorded(ended)
        log_outcomes(outcomes)
        for outcome in outcomes:
            self._answer(outcome.run, [outcome])

    def _answer(self, run: TaskRun, outcomes: Sequence[Outcome]) -> None:
        if found := self._under_way.pop(run.task_id, None):
            found[1].answer(outcomes)

    # Claiming

    def _take_arrived(self) -> None:
        for _ in range(len(self._arrived)):
            asked = self._arrived.popleft()
            places: Sequence[Mapping[str, Any]] = (self._asked, self._suspects, self._under_way)
            if any(asked.task_id in place for place in places):
                asked.answer(())  # another message of the same run
            else:
                self._asked[asked.task_id] = asked

    def _claim(self) -> None:
        room = self.limit - len(self._under_way)
        asked = dict(list(self._asked.items())[: max(room, 0)])
        by_task: dict[str, dict[str, Asked]] = {}
        for each in asked.values():
            by_task.setdefault(each.source.name, {})[each.task_id] = each
        for task, theirs in by_task.items():
            runs = claim_each(task_ids=list(theirs), task=task, claimant=own_claimant())
            for run in runs:
                self._begin(run, self._asked.pop(run.task_id))
        self._claim_alone({name: asked[name] for name in asked if name in self._asked})

    def _claim_alone(self, asked: Mapping[str, Asked]) -> None:
        """Claim what cannot be claimed with others; the other messages came late."""
        for name in asked:
            self._suspects[name] = self._asked.pop(name)
        if not self._suspects:
            return
        columns = ("task_id", "task", "losses")
        due = TaskRun.objects.due().filter(task_id__in=list(self._suspects)).only(*columns)
        found = {run.task_id: run for run in due}
        for name in list(self._suspects):
            if name not in found:
                self._suspects.pop(name).answer(())
            elif len(self._under_way) < self.limit and self._may_join(found[name]):
                suspect = self._suspects[name]
                task = suspect.source.name
                runs = claim(task_id=suspect.task_id, task=task, claimant=own_claimant())
                for run in runs:
                    self._begin(run, suspect)
                if not runs:
                    suspect.answer(())
                del self._suspects[name]

    def _may_join(self, run: TaskRun) -> bool:
        """Whether a run that may have ended its process before can be started now."""
        losses = [it.run.losses for it in self.under_way() if it.run.losses]
        if not run.losses or not losses:
            return True
        is_last = max(run.losses, *losses) + 1 >= conf().max_lost_deliveries
        return len(losses) < SUSPECTS and not is_last

    # Executing

    def _begin(self, run: TaskRun, asked: Asked) -> None:
        soft, hard = soft_limit(run), hard_limit(run)
        it = UnderWay(run, Clock.of(run), soft_limit=soft, hard_limit=hard)
        self._under_way[run.task_id] = (it, asked)
        log_started([run])
        if is_expired(run, it.clock):
            self._note_end(it, expired(run, it.clock))
            return
        before = current.set(run)
        try:
            with only_exceptions():
                it.work = work = asked.source.work_for(run)
                body = work.coroutine() if work.coroutine else None
        except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
            self._note_end(it, failed(run, error, it.work, it.clock.claimed_at, it.clock))
            return
        finally:
            current.reset(before)
        if body is None:
            it.began_at = math.inf  # not before its turn comes
            self.others.put(partial(self._run_alone, it, asked.source), run=run)
        else:
            self.loop.begin(it, body)

    def _run_alone(self, it: UnderWay, source: WorkSource) -> None:
        if it.is_dropped:
            return
        it.began_at = time.monotonic()
        outcome = run_alone(source, it.run, it.clock)
        self.ledger.put(partial(self._answer, it.run, [outcome]))
        self._want_turn()

    # Giving up

    def _give_up(self, it: UnderWay, why: str) -> None:
        self.loop.cancel(it)
        mark_lost([it.run], max_losses=conf().max_lost_deliveries, why=why)
        self._answer(it.run, ())

    def _drop_revoked(self) -> None:
        held = {it.run.pk: it for it in self.under_way() if it.task is not None}
        mine = dict(TaskRun.objects.running().filter(pk__in=held).values_list("pk", "token"))
        for pk, it in held.items():
            if mine.get(pk) != it.run.token:
                self.loop.cancel(it)
                self._answer(it.run, ())


def _recorded(ended: Sequence[tuple[UnderWay, Outcome]]) -> list[Outcome]:
    """Record outcomes together; if one of them cannot be, each in a transaction of its own."""
    outcomes = [outcome for _, outcome in ended]
    try:
        settle_in_time(outcomes)
        return outcomes
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        if len(ended) > 1:
            return [outcome for each in ended for outcome in _recorded([each])]
        ((it, outcome),) = ended
        return [record_failure(it.run, error, it.work, outcome.started_at, it.clock)]


def soft_limit(run: TaskRun) -> float | None:
    """The soft time limit of a run, in seconds; None without one."""
    task = current_app.tasks.get(run.task)
    limit: float | None = (
        run.options.get("soft_time_limit")
        or getattr(task, "soft_time_limit", None)
        or current_app.conf.task_soft_time_limit
    )
    return limit
