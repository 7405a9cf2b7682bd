"""The settings of monitoring."""

from typing import Annotated

from pydantic import AfterValidator, Field

from neural.conf import register_settings
from neural.conf.ledger import Settings


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

    # Machines
    metrics_token: Annotated[str, AfterValidator(_long_enough)] = Field(default="", repr=False)
    """Whoever sends it as a bearer token may read ``/metrics`` and the details of ``/readyz``.
    Empty: only users of the admin who may view the overview of all stores."""
    metrics_seconds: float = Field(default=5, ge=0)
    """How old the answer of ``/metrics`` may be. Scrape less often than this."""


conf = register_settings(MonitoringSettings)
"""The settings of monitoring in force."""
