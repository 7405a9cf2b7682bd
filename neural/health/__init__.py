"""Health probes for `doctor`: each says what it found and what to do about it."""

from neural.health.examination import examine
from neural.health.findings import Finding, Status

__all__ = ["Finding", "Status", "examine"]
