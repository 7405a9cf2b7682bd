"""Bulk actions on runs: one verb on all that match, in slices, by a run of the ledger.

:func:`~neural.runs.bulk.beginning.begin_bulk_action` writes the action and the run that does it,
:func:`~neural.runs.bulk.acting.act` does a slice in a transaction of its own, and
:mod:`~neural.runs.bulk.deciding` stops and resumes it. The admin and error groups begin
actions; the task ``act_on_runs`` does their slices. What they do stands in
:mod:`neural.runs.acts`.
"""


def connect() -> None:
    """Connect this room with the ledger; called when the app is ready."""
    from neural.ledger.ports import when_ended
    from neural.ledger.prune import register_prunable
    from neural.runs.bulk.deciding import stop_with_run
    from neural.runs.bulk.progress import OUTCOMES

    when_ended("bulk actions", stop_with_run)
    register_prunable(OUTCOMES)
