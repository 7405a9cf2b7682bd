"""Connects examinations with the relays."""


def connect() -> None:
    """Register the relay's duty; called when the app is ready."""
