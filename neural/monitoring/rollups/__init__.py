"""Figures of what was submitted, settled and lost, by minute, hour, queue, work and store."""


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
