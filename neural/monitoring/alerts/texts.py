"""What an alert says, in the active language."""

from neural.monitoring.models import Alert
from neural.sites import page_of


def title_of(alert: Alert) -> str:
    """What is wrong, in one line."""
    return f"{alert.rule} {alert.subject}".strip()


def sentence_of(alert: Alert) -> str:
    """What was found, in a sentence."""
    return ", ".join(f"{name}: {value}" for name, value in alert.facts.items())


def address_of(alert: Alert) -> str:
    """The path of its page in the admin; empty if there is none."""
    return page_of(type(alert), alert.pk)
