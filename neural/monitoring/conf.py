"""The settings of monitoring."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


class MonitoringSettings(Settings):
    """The settings of monitoring, in ``NEURAL``."""

    # Figures
    figures_seconds: float = Field(default=10, gt=0)
    """How often relays add up what was settled; pages show figures as of the last time."""
    figures_minutes_kept_days: float = Field(default=8, gt=0)
    """How long figures by minute are kept."""
    figures_hours_kept_days: float = Field(default=400, gt=0)
    """How long figures by hour are kept."""

    # Examinations
    examine_seconds: float = Field(default=15, gt=0)
    """How often a relay runs the probes of doctor and the rules of alerts."""

    # Error groups
    error_groups_kept_days: float = Field(default=90, gt=0)
    """How long an error group is kept after its last failed attempt. One with dead runs stays."""
    error_hours_kept_days: float = Field(default=30, gt=0)
    """How long the failed attempts of error groups are kept by hour."""


conf = register_settings(MonitoringSettings)
"""The settings of monitoring in force."""
