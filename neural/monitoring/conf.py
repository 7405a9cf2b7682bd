"""The settings of monitoring."""

from pydantic import Field

from neural.conf import register_settings
from neural.conf.ledger import Settings
from neural.queues import DEFAULT_QUEUE


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

    # Sending alerts
    alert_message_seconds: float = Field(default=60, ge=0)
    """The least time between two messages about alerts of one rule to one channel; news meanwhile
    is told together."""
    alert_queue: str = DEFAULT_QUEUE
    """The queue of the runs that send messages about alerts."""
    alert_public_url: str = ""
    """The address under which people reach this project, like ``https://chain.example.com``, for
    the links in messages. Empty: messages have no links."""
    alert_robot_hosts: str = ""
    """Further hosts that a robot's address may have besides those of its platform, separated by
    commas: a platform that is hosted by yourself, or a gateway."""
    alert_relay_after_seconds: float = Field(default=30, gt=0)
    """A message that nobody has sent so long after it was due is sent by a relay itself: the broker
    is down, or no worker reads the queue."""
    alert_give_up_seconds: float = Field(default=6 * 3600, gt=0)
    """A message that could not be sent for so long is not tried again."""
    alert_messages_kept_days: float = Field(default=30, ge=0)
    """How long messages about alerts are kept."""


conf = register_settings(MonitoringSettings)
"""The settings of monitoring in force."""
