"""Who this process is to the ledger: the row of the worker that it belongs to, if it is one's.

A worker sets it before its pool is forked; so all of its processes know it.
"""

from collections.abc import Sequence

from neural.ledger.claim import Claimant
from neural.models import WorkerProcess

_worker: WorkerProcess | None = None


def be(worker: WorkerProcess | None) -> None:
    """Belong to this worker from here on, or to none."""
    global _worker
    _worker = worker


def worker() -> WorkerProcess | None:
    """The row of this process's worker."""
    return _worker


def claimant() -> Claimant:
    """Who takes runs here."""
    return Claimant(worker_id=_worker.pk if _worker else None)


def queues() -> Sequence[str]:
    """Those that this process's worker reads; none outside of a worker."""
    return _worker.queues if _worker else ()
