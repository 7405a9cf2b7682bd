"""Functions that batches call and Celery's API provides; connected when the application is ready.

Without them, nothing follows a batch, and no signature can be added.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from neural.models import AwaitedMember, Batch
from neural.runs.models.new_run import NewRun

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


class Members(NamedTuple):
    """What signatures become as members of a batch; nothing is recorded yet."""

    runs: list[NewRun]
    starters: list[NewRun]
    """Runs that are no members: each starts the one of ``awaited`` at its place."""
    awaited: list[AwaitedMember]


def checked_signature(signature: Any, given: Any = None) -> Any:
    """The signature; raises TypeError if it is none, and names what was ``given`` instead."""
    if isinstance(signature, Mapping) and signature.get("task"):
        return signature
    raise TypeError(f"a signature is needed, as task.s(…), not {given or signature!r:.200}")


MembersOf: TypeAlias = Callable[[str, Iterable[Any]], Members]


def _no_members(batch_id: str, signatures: Iterable[Any]) -> Members:
    raise NotImplementedError("signatures are Celery's")


members_of: MembersOf = _no_members
"""The members that these signatures become in the batch of this ``batch_id``."""


ReportFromResults: TypeAlias = Callable[[Sequence[AwaitedMember]], None]


def _no_results(members: Sequence[AwaitedMember]) -> None:
    """There is no result backend."""


report_from_results: ReportFromResults = _no_results
"""Report those of these members of which a result backend says that they have ended."""


def connect(
    *,
    starting_what_follows: StartWhatFollows,
    having_members_of: MembersOf,
    reporting_from_results: ReportFromResults,
) -> None:
    """Set these functions; they replace those before."""
    global start_what_follows, members_of, report_from_results
    start_what_follows, members_of = starting_what_follows, having_members_of
    report_from_results = reporting_from_results
