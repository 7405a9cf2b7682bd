"""Tells people of alerts."""

import datetime as dt
from collections.abc import Sequence

from neural.monitoring.alerts.told import Told


def tell(told: Sequence[Told], *, now: dt.datetime) -> None:
    """Record the messages about these alerts of one rule; called in the transaction that marks them
    as told."""
