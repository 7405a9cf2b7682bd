"""How many records an indexing run reads, embeds and writes at a time."""

from neural.ledger.work import current_run
from neural.retrieval.conf import conf


def batch_size() -> int:
    """The setting ``index_batch``; fewer after an attempt whose process died, which may have lacked
    memory, and after one that failed, which may have lacked time."""
    run = current_run()
    halvings = 2 * run.losses + min(run.failures, 2) if run else 0
    return max(1, conf().index_batch >> halvings)
