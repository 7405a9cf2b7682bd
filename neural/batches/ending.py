"""Decides whether batches are over, and ends those that are."""

from collections.abc import Iterable


def ask(batch_pks: Iterable[int]) -> None:
    """End those of these batches (by primary key) that are closed and have no open member, and
    start what follows them. Call it after the commit that may have ended the last member."""
    raise NotImplementedError


def close(batch_pk: int) -> bool:
    """Let no further members be added, except by open members; on commit, ask whether the batch is
    over. Returns whether it was open."""
    raise NotImplementedError


def cancel(batch_pk: int) -> int:
    """Close a batch and cancel its members that wait, a slice in each transaction; those that run
    are left. Returns how many were cancelled.

    A relay goes on if the process ends meanwhile. What members add later is cancelled as well.
    """
    raise NotImplementedError
