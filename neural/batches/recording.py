"""Records batches with their members, and members that come later."""

from collections.abc import Iterable, Sequence

from neural.ledger.insertion import Inserted
from neural.models import AwaitedMember, Batch, TaskRun
from neural.models.new_run import NewRun

Recorded = Inserted | TaskRun


def record(
    batch: Batch, *, awaited: Iterable[AwaitedMember] = (), runs: Sequence[NewRun] = ()
) -> Batch:
    """Record a batch with these members in one transaction, or in the caller's.

    ``batch`` is unsaved, as are the ``awaited``, whose ``batch_key`` is set here. With the state
    CLOSED it is over as soon as they have ended, at once without any. Members that have been
    reported before (``awaited.report``) stay as they were reported. If a batch of this id was
    recorded before, as when a chord is sent again, that one is returned, and nothing else is done.
    """
    raise NotImplementedError


def join(batch_key: str, runs: Sequence[NewRun], *, make: Batch | None = None) -> list[NewRun]:
    """These runs as members of the batch of this ``batch_id``, to be recorded in the same
    transaction, which is the caller's and must be open.

    Members that were awaited under the runs' task ids are so no longer. Without such a batch,
    ``make`` is recorded if it is given (unsaved, with this ``batch_id``), and the runs are returned
    as they are if it is not.
    """
    raise NotImplementedError
