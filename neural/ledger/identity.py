"""The worker to which this process belongs, if any.

A worker sets it before its pool is forked, so all processes of the pool know it.
"""

from collections.abc import Sequence

from neural.ledger.claim import Claimant
from neural.models import WorkerProcess

_worker: WorkerProcess | None = None


def be(worker: WorkerProcess | None) -> None:
    """Set the worker to which this process belongs, or None."""
    global _worker
    _worker = worker


def worker() -> WorkerProcess | None:
    """The row of this process's worker, or None."""
    return _worker


def claimant() -> Claimant:
    """The claimant for runs that this process claims."""
    return Claimant(worker_id=_worker.pk if _worker else None)


def queues() -> Sequence[str]:
    """The queues that this process's worker reads; empty outside of a worker."""
    return _worker.queues if _worker else ()
