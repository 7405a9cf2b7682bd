"""What people are told about an alert."""

from dataclasses import dataclass
from typing import Literal

from neural.monitoring.models import Alert

What = Literal["raised", "escalated", "resolved", "reminded", "flapping"]


@dataclass(frozen=True)
class Told:
    """An alert, and what has happened to it that people are to be told."""

    alert: Alert
    what: What
