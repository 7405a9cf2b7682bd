"""The ledger tasks of one group, recorded together.

``group.apply_async`` borrows a producer from its application
(:meth:`neural.LedgerCelery.producer_or_acquire`) and calls the ``apply_async`` of each member with
it, and with the group's id. Those of ledger tasks are collected until the producer is given back:
they are a few statements then, and a few round trips to the broker.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import transaction

if TYPE_CHECKING:
    from neural.models.new_run import NewRun

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
