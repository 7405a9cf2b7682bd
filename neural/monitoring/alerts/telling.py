"""Tells people of alerts: records messages, and requests the runs that send them.

Of a rule, a channel gets at most one message in ``alert_message_seconds``. Until the next one may
be sent, further news is added to it, so nothing is lost.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction

from neural.ledger import dialects
from neural.ledger.record import enqueue
from neural.monitoring.alerts.composing import content_of, with_more
from neural.monitoring.alerts.told import Told
from neural.monitoring.conf import conf
from neural.monitoring.models import Alert, AlertChannel, AlertMessage, Severity
from neural.queues import HIGH_PRIORITY

SEND_TASK = "neural.tasks.send_alert"


def tell(told: Sequence[Told], *, now: dt.datetime) -> None:
    """Record the messages about these alerts; called in the transaction that marks them as told."""
    if not told:
        return
    with transaction.atomic(using=dialects.ledger_connection().alias):
        for channel in AlertChannel.objects.filter(enabled=True).defer("secrets").order_by("pk"):
            # Locked before it is read whether it is broken: who makes it well at this moment either
            # finds these alerts told, or has made it well.
            channel.lock()
            if AlertChannel.objects.receiving().filter(pk=channel.pk).exists():
                tell_channel(channel, told, now=now)


def tell_channel(channel: AlertChannel, told: Sequence[Told], *, now: dt.datetime) -> None:
    """Record the messages to one channel: of each rule one, about what it wants."""
    by_rule: dict[str, list[Told]] = defaultdict(list)
    for each in told:
        if wants(channel, each.alert):
            by_rule[each.alert.rule].append(each)
    with transaction.atomic(using=dialects.ledger_connection().alias):
        for rule, news in by_rule.items():
            if channel.lock():
                _tell(channel, rule, news, now=now)


def wants(channel: AlertChannel, alert: Alert) -> bool:
    """Whether a channel wants to be told of alerts so severe."""
    return channel.least_severity != Severity.CRITICAL or alert.severity == Severity.CRITICAL


def _tell(channel: AlertChannel, rule: str, told: Sequence[Told], *, now: dt.datetime) -> None:
    """Add the news to the message that waits, or record one. The channel is locked."""
    content = content_of(told, language=channel.language)
    mine = AlertMessage.objects.filter(channel=channel, rule=rule).order_by("-pk")
    last = mine.first()
    if last is not None and mine.collecting().filter(pk=last.pk).exists():
        AlertMessage.objects.filter(pk=last.pk).update(content=with_more(last.content, content))
        return
    due_at = max(now, last_attempt(last) + pause()) if last else now
    message = AlertMessage.objects.create(
        channel=channel, rule=rule, content=content, created_at=now, due_at=due_at
    )
    run = enqueue(
        task=SEND_TASK,
        args=[],
        kwargs={"message_id": message.message_id},
        queue=conf().alert_queue,
        priority=HIGH_PRIORITY,
        due_at=due_at if due_at > now else None,
        unique_key=f"alert:{message.message_id}",
        requested_by="relay",
    )
    AlertMessage.objects.filter(pk=message.pk).update(task_id=run.task_id)


def last_attempt(message: AlertMessage) -> dt.datetime:
    """When somebody last tried to send a message, or else when it was made."""
    return message.attempted_at or message.created_at


def pause() -> dt.timedelta:
    """The least time between two messages of a rule to a channel."""
    return dt.timedelta(seconds=conf().alert_message_seconds)
