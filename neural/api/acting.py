"""Records in the audit log what is done through the API by the holder of a key."""

from typing import Any

from neural.api.access import Caller
from neural.audit import record
from neural.models import AuditSource


def acted(caller: Caller, *, action: str, **facts: Any) -> None:
    """Record an act (:func:`neural.audit.record`) in the caller's transaction."""
    record(action=action, by=caller.name, source=AuditSource.API, **facts)
