"""The ledger tasks of one group, recorded together, and their results, waited for together.

``group.apply_async`` borrows a producer from its application
(:meth:`neural.LedgerCelery.producer_or_acquire`) and calls the ``apply_async`` of each member with
it, and with the group's id. Those of ledger tasks are collected until the producer is given back:
they are a few statements then, and a few round trips to the broker.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from celery import states
from celery.result import (  # type: ignore[attr-defined]  # what the stubs know
    EagerResult,
    GroupResult,
    ResultSet,
    assert_will_not_block,
)
from django.db import transaction

if TYPE_CHECKING:
    from neural.runs.models.new_run import NewRun

CELERYS_INTERVAL = 0.5
"""Celery's default for ``interval``, in seconds, which is also our longest pause."""


class ChordPlan(Protocol):
    """The chord whose header's group is called; one on the ledger is a ``chords.Plan``."""

    batch: Any

    def record(self, members: "list[NewRun]") -> None:
        """Record the members that were called."""

    def give_up(self) -> None:
        """Forget the chord, because one of its members was refused."""


class Lent(NamedTuple):
    """A producer that was lent, the members that were called with it, and the chord whose header
    they are."""

    producer: Any
    members: "list[NewRun]"
    plan: ChordPlan | None


_lent: ContextVar[Lent | None] = ContextVar("neural_lent", default=None)
planned: ContextVar[ChordPlan | None] = ContextVar("neural_planned", default=None)
"""The chord whose header's group is called next."""


@contextmanager
def taking_plan() -> Iterator[ChordPlan | None]:
    """The chord whose header's group is called in this block, if it is one; an error gives it
    up."""
    plan = planned.get()
    planned.set(None)
    try:
        yield plan
    except BaseException:
        if plan is not None:
            plan.give_up()
        raise


@contextmanager
def recorded_together(producer: Any, plan: ChordPlan | None) -> Iterator[None]:
    """Record the members that are called with this producer when the block ends: all of them in one
    transaction, or in the caller's, and none if the block or one of them fails."""
    members: list[NewRun] = []
    before = _lent.set(Lent(producer, members, plan))
    try:
        yield
    finally:
        _lent.reset(before)
    _record(plan, members)


def _record(plan: ChordPlan | None, members: "list[NewRun]") -> None:
    if plan is not None:
        plan.record(members)
    elif members:
        from neural.ledger.record import enqueue_all  # needs the models

        with transaction.atomic():
            enqueue_all(members)


def collect(run: "NewRun", options: Mapping[str, Any]) -> bool:
    """Whether a run is recorded later, with the group of which its call's options make it a
    member."""
    lent, group_id = _lent.get(), options.get("group_id")
    if lent is None or not group_id:
        return False
    if lent.plan is not None:
        is_member = bool(group_id == lent.plan.batch.batch_id)
    else:
        is_member = options.get("producer") is lent.producer
    if is_member:
        lent.members.append(run)
    return is_member


def is_called_here(group_id: str) -> bool:
    """Whether this is the group of a chord that the ledger counts, and is being called."""
    lent = _lent.get()
    return lent is not None and lent.plan is not None and lent.plan.batch.batch_id == group_id


class LedgerGroupResult(GroupResult):
    """The result of a group, which looks at all of its tasks at once while it waits."""

    id: Any
    results: Any
    backend: Any

    def join(  # type: ignore[override]
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = CELERYS_INTERVAL,
        **options: Any,
    ) -> Any:
        """Like Celery's, which asks for one task after the other, also for those that have ended
        long ago. That is left to it once a task has failed, and for tasks that follow others."""
        began = time.monotonic()
        if options.get("disable_sync_subtasks", True):
            assert_will_not_block()
        if all(map(_is_task_alone, self.results)) and options.get("on_message") is None:
            self._wait(timeout, propagate, interval, options.get("on_interval"))
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - began))
        return super().join(timeout=left, propagate=propagate, interval=interval, **options)

    def maybe_throw(self, callback: Any = None, propagate: bool = True) -> None:
        """Like Celery's, which reads one task after the other: each time that one looks whether a
        chord's body has ended. That is left to it once a member has not succeeded."""
        from neural.batches.results import has_failed  # needs the models

        if callback is not None or has_failed(self.id) is not False:
            super().maybe_throw(callback=callback, propagate=propagate)

    def revoke(self, *args: Any, **options: Any) -> None:
        """Like Celery's; what a chord awaits besides runs counts as revoked at once."""
        from neural.batches.awaited import revoke_all  # needs the models

        super().revoke(*args, **options)
        revoke_all(self.id)

    def _wait(
        self, timeout: float | None, propagate: bool, interval: float, on_interval: Any
    ) -> None:
        """Let the results keep their metas, until all tasks have ended or one has failed."""
        waiting = {each.id: each for each in self.results if not each.ignored}
        options = {"timeout": timeout, "interval": interval, "on_interval": on_interval}
        for task_id, meta in self.backend.get_many(waiting, **options):
            waiting[task_id]._maybe_set_cache(meta)
            if propagate and meta["status"] in states.PROPAGATE_STATES:
                return


def _is_task_alone(result: Any) -> bool:
    is_group_or_eager = isinstance(result, ResultSet | EagerResult)
    return not is_group_or_eager and result.parent is None
