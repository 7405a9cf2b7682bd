"""What is wrong, and what to do about it: checks for `doctor`, the console and alerts."""

from neural.health.checks import Check, register_check
from neural.health.examination import examine
from neural.health.findings import Finding, Status

__all__ = ["Check", "Finding", "Status", "examine", "register_check"]
