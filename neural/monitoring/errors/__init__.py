"""Error groups: failed attempts with the same cause, found by a fingerprint."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
    from neural.monitoring.errors import acting
    from neural.monitoring.errors.grouping import group_when_due
    from neural.worker.relay import register_duty

    acting.connect()
    register_duty("error groups", group_when_due)
