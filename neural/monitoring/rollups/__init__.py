"""Figures of what was submitted, settled and lost, by minute, hour, queue, work and store."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
