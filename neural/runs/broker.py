"""Celery 5.7.0's worker exits when Redis goes away; this keeps it alive.

While Redis is gone, ``Channel._connparams`` is called on a channel whose connection has
already been closed and fails with ``AttributeError: 'NoneType' object has no attribute
'hostname'``, which nothing above expects (15 of 16 measured stops ended the worker).
Raised as a ConnectionError, it is what the worker's own reconnect loop waits for.
``tests/integration`` stops and restarts a broker under a worker to hold this.
"""

from typing import Any


def survive_a_lost_broker() -> None:
    """Patch kombu's Redis channel, once."""
    try:
        from kombu.transport.redis import Channel
    except ImportError:  # another broker, and redis is not installed
        return
    original = Channel._connparams  # type: ignore[attr-defined]
    if getattr(original, "_neural", False):
        return

    def _connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the broker is gone")
        return original(self, asynchronous)

    _connparams._neural = True  # type: ignore[attr-defined]
    Channel._connparams = _connparams  # type: ignore[attr-defined]
