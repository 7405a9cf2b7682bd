"""Alerts as people read them, in the active language."""

from neural.monitoring.models import Alert
from neural.sites import page_of


def title(alert: Alert) -> str:
    """What is wrong, in a few words, and with what."""
    return f"{alert.rule} {alert.subject}".strip()


def sentence(alert: Alert) -> str:
    """What is wrong, with its figures, as they were when the alert was last seen."""
    return ", ".join(f"{name}: {value}" for name, value in alert.facts.items())


def remedy(alert: Alert) -> str:
    """What to do about it, if that is known; else empty."""
    return str(alert.facts.get("remedy", ""))


def link(alert: Alert) -> str:
    """The address of the alert's page in the admin; empty if there is none."""
    return page_of(Alert, alert.pk)
