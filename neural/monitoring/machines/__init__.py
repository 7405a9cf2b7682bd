"""What machines read: Prometheus metrics, health endpoints, traces, Sentry events."""


def connect() -> None:
    """Connect this room with the core; called when the app is ready."""
