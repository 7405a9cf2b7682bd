"""Bulk actions on runs: one verb on all that match, in slices, by a run of the ledger.

:func:`~neural.runs.bulk.beginning.begin` writes the action and the run that does it;
:mod:`neural.runs.bulk.acting` does a slice in a transaction of its own;
:mod:`neural.runs.bulk.deciding` stops and resumes it.
"""


def connect() -> None:
    """Connect this room with the ledger; called when the app is ready."""
    from neural.ledger.ports import when_ended
    from neural.ledger.prune import register_prunable
    from neural.runs.bulk.asking import ACT_TASK
    from neural.runs.bulk.deciding import note_end_of_run
    from neural.runs.bulk.pruning import OUTCOMES

    when_ended(ACT_TASK, note_end_of_run)
    register_prunable(OUTCOMES)
