"""Duties: small looks of other parts that every turn of the relay takes, like: is there work to
ask for?

A duty is short (it shares the relay's thread and its impatient database connection), does no
harm when several relays do it side by side, and never opens what must not be open before a fork.
"""

import logging
from collections.abc import Callable

from neural.registry import Registry

logger = logging.getLogger(__name__)

Duty = Callable[[], None]

DUTIES: Registry[Duty] = Registry("duty")


def register_duty(name: str, duty: Duty) -> None:
    """Have every relay do this once a turn. The name must be new."""
    DUTIES.add(name, duty)


def do_duties() -> None:
    """Each once. One that fails is logged and stops nobody."""
    for name, duty in DUTIES.items():
        try:
            duty()
        except Exception as error:
            logger.warning("event=duty_failed duty=%s error=%r", name, str(error), exc_info=True)
