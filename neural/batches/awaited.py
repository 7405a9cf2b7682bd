"""The members of batches that are no runs of the ledger: they report how they ended."""

from typing import Any

from neural.models import AwaitedState


def report(
    batch_key: str,
    task_id: str,
    group_index: int | None,
    state: AwaitedState,
    value: Any = None,
    error: str = "",
) -> None:
    """Record how a member ended, in a transaction of its own or in the caller's; the batch is asked
    on commit whether it is over.

    The first report counts. It may come before the batch is recorded. ``value`` is as JSON can
    keep it (``neural.stored_json``), ``error`` one line about the exception.
    """
    raise NotImplementedError


def fail(batch_key: str, task_id: str, error: str) -> None:
    """Record that a member can never start, since a run before it in its chain is dead. Call it in
    the transaction of that death. Does nothing unless the member is awaited and open."""
    raise NotImplementedError
