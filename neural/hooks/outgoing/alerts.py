"""Where an alert about webhooks goes: the one place to change when there is more than a log."""

import logging

from neural.models.run_log import pairs

logger = logging.getLogger(__name__)


def raise_alert(alert: str, **facts: object) -> None:
    """Tell operators that something needs a person: one line in the log, at the level ERROR.

    What it is about is also a finding of ``doctor`` and a state on the subscription's page, for as
    long as it lasts.
    """
    logger.error("event=alert alert=%s %s", alert, pairs(facts))
