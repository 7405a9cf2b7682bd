"""The settings of monitoring."""

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field

from neural.kit.conf import register_settings
from neural.kit.conf.ledger import Settings
from neural.kit.thresholds import USUAL
from neural.queues import DEFAULT_QUEUE

DAY = 24 * 3600
YEAR = 366 * DAY
Seconds = Annotated[float, Field(ge=0, le=YEAR)]
STALE_AFTER = dt.timedelta(minutes=2)
"""Figures and findings that are older say nothing about now."""


def _long_enough(token: str) -> str:
    if token and len(token) < 20:
        raise ValueError("a token has at least 20 characters; 'openssl rand -hex 20' makes one")
    return token


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

    # Alerts
    alert_group_wait_seconds: float = Field(default=30, ge=0)
    """How long a new alert waits for others of its rule, to be told together. One that ends within
    that time is told to nobody."""
    alert_remind_seconds: float = Field(default=4 * 3600, gt=0)
    """How often people are reminded of an alert that nobody has acknowledged."""
    alerts_kept_days: float = Field(default=365, ge=0)
    """How long alerts are kept after they were resolved; ``prune`` deletes older ones."""

    # Thresholds of the rules, which people can change in the admin
    alert_dead_letters: float = Field(default=1, ge=1)
    """``dead_letters``: so many dead letters are a warning."""
    alert_dead_letters_critical: float = Field(default=10, ge=1)
    """``dead_letters``: so many are critical."""
    alert_dead_letters_seconds: float = Field(default=600, ge=60, le=DAY)
    """``dead_letters``: the time within which they are counted."""
    alert_oldest_due_urgent_seconds: Seconds = USUAL["oldest_due_urgent_seconds"]
    """``oldest_due``: how long a due run of ``high_priority`` may wait, until a warning."""
    alert_oldest_due_urgent_critical_seconds: Seconds = USUAL["oldest_due_urgent_critical_seconds"]
    """``oldest_due``: the same, until it is critical."""
    alert_oldest_due_seconds: Seconds = USUAL["oldest_due_seconds"]
    """``oldest_due``: how long a due run of any other queue may wait, until a warning."""
    alert_oldest_due_critical_seconds: Seconds = USUAL["oldest_due_critical_seconds"]
    """``oldest_due``: the same, until it is critical."""
    alert_oldest_due_low_seconds: Seconds = USUAL["oldest_due_low_seconds"]
    """``oldest_due``: how long a due run of ``low_priority`` may wait, until a warning."""
    alert_oldest_due_low_critical_seconds: Seconds = USUAL["oldest_due_low_critical_seconds"]
    """``oldest_due``: the same, until it is critical."""
    alert_stalled_queue_seconds: float = Field(default=60, ge=0, le=DAY)
    """``stalled_queue``: how long nothing of a late queue may have started or ended."""
    alert_no_worker_seconds: float = Field(default=30, ge=0, le=YEAR)
    """``no_worker``: how long due runs may wait in a queue that nobody reads."""
    alert_beat_silent_seconds: Seconds = USUAL["beat_silent_seconds"]
    """``beat_silent``: how long beat may be silent."""
    alert_schedule_grace_share: float = Field(default=USUAL["schedule_grace_share"], ge=0)
    """``schedule_overdue``: how late a schedule may be, as a share of its period."""
    alert_schedule_grace_least_seconds: Seconds = USUAL["schedule_grace_least_seconds"]
    """``schedule_overdue``: the least grace."""
    alert_schedule_grace_most_seconds: Seconds = USUAL["schedule_grace_most_seconds"]
    """``schedule_overdue``: the greatest grace."""
    alert_relay_behind_seconds: float = Field(default=30, ge=0, le=YEAR)
    """``relay_behind``: how long a message may wait to be published, until a warning."""
    alert_relay_behind_critical_seconds: float = Field(default=120, ge=0, le=YEAR)
    """``relay_behind``: the same, until it is critical."""
    alert_index_behind_seconds: float = Field(default=300, ge=0, le=YEAR)
    """``index_behind``: how long a live change may wait to be indexed, until a warning."""
    alert_index_behind_critical_seconds: float = Field(default=1800, ge=0, le=YEAR)
    """``index_behind``: the same, until it is critical."""
    alert_pushes_missed: float = Field(default=3, ge=1, le=1_000_000)
    """``pushes_missed``: how much a platform may have of a day that no push had brought, until a
    warning."""
    alert_pushes_missed_percent: float = Field(default=5, ge=0, le=100)
    """And at least this share of what it has of that day."""
    alert_failure_rate: float = Field(default=0.05, ge=0.001, le=1)
    """``failure_rate``: share of a work's attempts that failed, from which on it is a warning."""
    alert_failure_rate_critical: float = Field(default=0.5, ge=0.001, le=1)
    """``failure_rate``: the same, from which on it is critical."""
    alert_failure_rate_attempts: float = Field(default=10, ge=1)
    """``failure_rate``: fewer attempts than this are not judged."""
    alert_failure_rate_seconds: float = Field(default=600, ge=60, le=DAY)
    """``failure_rate``: the time within which attempts are counted."""
    alert_silent_store_seconds: float = Field(default=1800, ge=0, le=YEAR)
    """``silent_store``: how long a store may send nothing in its business hours."""
    alert_silent_store_events: float = Field(default=10, ge=1)
    """``silent_store``: so many must be usual in that time."""
    alert_silent_stores_together: float = Field(default=5, ge=1)
    """``silent_store``: if more are silent at once, people are told of one alert of the chain."""
    alert_disk_free_percent: float = Field(default=10, ge=0, le=100)
    """``disk``: with less room than this free, a warning."""
    alert_disk_free_critical_percent: float = Field(default=5, ge=0, le=100)
    """``disk``: with less than this, critical."""

    # Sending alerts
    alert_message_seconds: float = Field(default=60, ge=0)
    """The least time between two messages about alerts of one rule to one channel. What happens
    meanwhile is told in one message afterwards."""
    alert_queue: str = DEFAULT_QUEUE
    """The queue of the runs that send messages."""
    alert_public_url: str = ""
    """The address under which people reach this project, like ``https://chain.example.com``, for
    the links in messages. None: messages have no links."""
    alert_admin_path: str = "/admin/"
    """Where the admin is below ``alert_public_url``, for the same links: a relay does not load the
    project's addresses to learn it."""
    alert_robot_hosts: str = ""
    """Further hosts that the address of a robot may have besides those of its platform, separated
    by commas: a platform of your own, or a gateway."""
    alert_apprise_schemes: str = "discord,opsgenie,pagerduty,pover,slack,tgram,twilio"
    """The services to which channels by Apprise may send: the schemes of their addresses, separated
    by commas. One whose address names a host may reach into your own network."""
    alert_relay_after_seconds: float = Field(default=30, gt=0)
    """A message that nobody has sent so long after it was due is sent by a relay itself: the broker
    is down, or no worker reads the queue."""
    alert_give_up_seconds: float = Field(default=6 * 3600, gt=0)
    """A message that could not be sent for so long is not tried again."""
    alert_messages_kept_days: float = Field(default=30, ge=0)
    """How long messages are kept."""

    # Error groups
    error_groups_kept_days: float = Field(default=90, gt=0)
    """How long an error group is kept after its last failed attempt. One with dead runs stays."""
    error_hours_kept_days: float = Field(default=30, gt=0)
    """How long the failed attempts of error groups are kept by hour."""

    # Machines
    metrics_token: Annotated[str, AfterValidator(_long_enough)] = Field(default="", repr=False)
    """Whoever sends it as a bearer token may read ``/metrics`` and the details of ``/readyz``. At
    least 20 characters. None: only users of the admin who may view the overview of all stores."""
    metrics_seconds: float = Field(default=5, ge=0)
    """How old the answer of ``/metrics`` may be. Scrape less often than that."""


conf = register_settings(MonitoringSettings)
"""The settings of monitoring in force."""
