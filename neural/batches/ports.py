"""Functions that batches call and Celery's API provides; connected when the application is ready.

Without them, nothing follows a batch.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from neural.models import Batch

COUNTED_BY_LEDGER = "neural_counts"
"""The option of a chord's body in the message of a plain member: its worker reports the member's
end to the ledger (``awaited.report``), and does not count it in the result backend."""


class Outcome(StrEnum):
    """What has become of a batch."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    FIRST_DEATH = "first death"
    """Its first member is dead; others may still be open."""


StartWhatFollows: TypeAlias = Callable[[Batch, Outcome], None]


def _nothing(batch: Batch, outcome: Outcome) -> None:
    """Nothing follows."""


start_what_follows: StartWhatFollows = _nothing
"""Record what follows a batch: the body of a chord, the callbacks of a batch.

It is called once for each outcome, in the transaction that records the outcome, with the batch
locked, and must leave what cannot be recorded to a run that is dead or retried: an error rolls the
outcome back, and it is tried again each second. No message may leave before the commit."""


def connect(*, starting_what_follows: StartWhatFollows) -> None:
    """Set the function; it replaces the one before."""
    global start_what_follows
    start_what_follows = starting_what_follows
