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
from typing import TYPE_CHECKING, Any

from celery import states
from celery.result import (  # type: ignore[attr-defined]  # what the stubs know
    EagerResult,
    GroupResult,
    ResultSet,
    assert_will_not_block,
)
from django.db import transaction

if TYPE_CHECKING:
    from neural.models.new_run import NewRun

CELERYS_INTERVAL = 0.5
"""Celery's default for ``interval``, in seconds, which is also our longest pause."""
_lent: ContextVar[tuple[Any, "list[NewRun]"]] = ContextVar("neural_lent", default=(None, []))
"""The producer that was lent last, and the members that were called with it."""


@contextmanager
def recorded_together(producer: Any) -> Iterator[None]:
    """Record the members that are called with this producer when the block ends: all of them in one
    transaction, or in the caller's, and none if the block or one of them fails."""
    members: list[NewRun] = []
    before = _lent.set((producer, members))
    try:
        yield
    finally:
        _lent.reset(before)
    if members:
        from neural.ledger.record import enqueue_all  # needs the models

        with transaction.atomic():
            enqueue_all(members)


def collect(run: "NewRun", options: Mapping[str, Any]) -> bool:
    """Whether a run is recorded later, with the group of which its call's options make it a
    member."""
    producer, members = _lent.get()
    is_member = options.get("group_id") and producer is not None
    if not is_member or options.get("producer") is not producer:
        return False
    members.append(run)
    return True


class LedgerGroupResult(GroupResult):
    """The result of a group, which looks at all of its tasks at once while it waits."""

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
