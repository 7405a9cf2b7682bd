"""Error groups: failed attempts with the same cause, found by a fingerprint."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
