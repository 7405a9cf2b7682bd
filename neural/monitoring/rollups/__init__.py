"""Figures of what was submitted, settled and lost, by minute, hour, queue, work and store.

:data:`~neural.monitoring.rollups.tallying.TALLIES` commits with each outcome,
:func:`~neural.monitoring.rollups.folding.fold` is the relays' duty that adds tallies up, and
:mod:`~neural.monitoring.rollups.reading` reads the figures without touching the ledger. The
console, alerts, metrics and the chart of the list of runs use it.
"""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.ledger.ports import insert_when_settled
    from neural.monitoring.rollups.folding import fold_if_due
    from neural.monitoring.rollups.reading import submitted_by_step
    from neural.monitoring.rollups.tallying import TALLIES
    from neural.runs.figures import register_run_figures
    from neural.worker.relay import register_duty

    insert_when_settled("figures", TALLIES)
    register_duty("figures", fold_if_due)
    register_run_figures("figures", submitted_by_step)
