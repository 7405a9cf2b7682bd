"""A test message: one attempt at once, whose answer is shown to whoever asked."""

import datetime as dt

from neural.monitoring.alerts.channels.base import Judgement
from neural.monitoring.alerts.sending import LEASE, attempt_of, conclude
from neural.monitoring.models import AlertChannel, AlertMessage


def send_test(channel: AlertChannel, *, by: str, now: dt.datetime) -> Judgement:
    """Send a test message to a channel, be it off or broken, and return the outcome.

    It takes some seconds at most, and belongs outside of any transaction. A success marks a broken
    channel well, and a refusal for a wrong setting marks it broken.
    """
    message = AlertMessage.objects.create(
        channel=channel, content={"test_by": by}, created_at=now, due_at=now
    )
    message.begin(now=now, until=now + LEASE)
    judged = attempt_of(message, channel).perform(now=now)
    if conclude(message.pk, judged, now=now) is not None:
        message.fail(answer=str(judged))  # nobody waits for a later attempt
    return judged
