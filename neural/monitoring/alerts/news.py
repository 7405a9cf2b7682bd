"""News: which alerts people must be told of now, and the messages that tell them.

What is news follows from the rows alone. An alert is told by setting ``told_at`` in the transaction
that also records the messages, so nothing is told twice or left out, whichever relay is killed
when. Of a rule, a channel gets at most one message in ``alert_message_seconds``: until the next one
may be sent, further news is added to it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db import transaction
from django.db.models import F, Q

from neural.ledger import dialects
from neural.ledger.record import enqueue
from neural.monitoring.alerts.composing import News, What, content_of, with_more
from neural.monitoring.alerts.rules import RULES
from neural.monitoring.conf import conf
from neural.monitoring.models import (
    OPEN_STATES,
    Alert,
    AlertChannel,
    AlertMessage,
    AlertMessageState,
    AlertState,
    Severity,
)
from neural.monitoring.models.alerts import OVER
from neural.queues import HIGH_PRIORITY

SEND_TASK = "neural.tasks.send_alert"
REMEMBERED = dt.timedelta(days=1)
"""How long after its end an alert may still be told as resolved."""
MOST_ENDED = 1000


def tell_news(*, now: dt.datetime, muted: Collection[str] = ()) -> None:
    """Tell what is to be told by now, a rule at a time; rules that are muted wait."""
    by_rule: dict[str, list[Alert]] = defaultdict(list)
    ended = Alert.objects.resolved_since(now - REMEMBERED).filter(told_at__lt=F("resolved_at"))
    # What has ended comes first: it may have begun anew.
    for alert in [
        *ended.order_by("resolved_at")[:MOST_ENDED],
        *Alert.objects.open().order_by("pk"),
    ]:
        by_rule[alert.rule].append(alert)
    waiting = {*muted, *_lately(now=now)}
    for rule, alerts in sorted(by_rule.items()):
        if rule not in waiting and (news := news_of(alerts, now=now)):
            _tell(news, now=now)


def _lately(*, now: dt.datetime) -> Iterable[str]:
    """Rules of which a message was recorded less than its pause ago."""
    # An index finds both: there is none of when alerts were told.
    recent = Q(state__in=OPEN_STATES) | Q(
        state=AlertState.RESOLVED, resolved_at__gt=now - REMEMBERED
    )
    rows = Alert.objects.filter(recent, told_at__gt=now - pause())
    return rows.order_by().values_list("rule", flat=True).distinct()


def _tell(news: Sequence[News], *, now: dt.datetime) -> None:
    with transaction.atomic(using=dialects.ledger_connection().alias):
        if mine := [each for each in news if _takes(each.alert, now=now)]:
            tell(mine, now=now)


def _takes(alert: Alert, *, now: dt.datetime) -> bool:
    """Whether this relay is the one that tells it."""
    as_read = Alert.objects.filter(pk=alert.pk, told_at=alert.told_at, state=alert.state)
    if not as_read.update(told_at=now):
        return False
    alert.told_at = now
    return True


def news_of(alerts: Sequence[Alert], *, now: dt.datetime) -> list[News]:
    """The news about the alerts of one rule. New ones wait a little for more of their kind, and are
    then told together."""
    waited = any(_is_new(each) and _has_waited(each, now=now) for each in alerts)
    whats = ((each, _what(each, waited=waited, now=now)) for each in alerts)
    return [News(alert, what) for alert, what in whats if what]


def _is_new(alert: Alert) -> bool:
    is_part = alert.is_part  # the alert of the whole chain is told in its place
    return alert.state == AlertState.FIRING and alert.told_at is None and not is_part


def _has_waited(alert: Alert, *, now: dt.datetime) -> bool:
    rule = RULES.find(alert.rule)
    before = rule.for_seconds if rule else 0
    wait = dt.timedelta(seconds=before + conf().alert_group_wait_seconds)
    return now - alert.since >= wait


def _what(alert: Alert, *, waited: bool, now: dt.datetime) -> What | None:
    last = alert.told_at
    if last is None:
        if waited and _is_new(alert):
            return "flapping" if alert.flapping_at else "raised"
        return None
    if alert.state == AlertState.RESOLVED:
        return "resolved" if alert.resolved_at and last < alert.resolved_at else None
    if alert.escalated_at and last < alert.escalated_at:
        return "escalated"
    remind = dt.timedelta(seconds=conf().alert_remind_seconds)
    # Not while nobody knows whether it still holds.
    is_confirmed = alert.seen_at >= now
    is_due = alert.state == AlertState.FIRING and now - last >= remind and not alert.is_part
    return "reminded" if is_due and is_confirmed else None


# The messages that tell it


def tell(news: Sequence[News], *, now: dt.datetime) -> None:
    """Record the messages about these; called in the transaction that marks them as told."""
    with transaction.atomic(using=dialects.ledger_connection().alias):
        for channel in AlertChannel.objects.filter(enabled=True).defer("secrets").order_by("pk"):
            # Locked before it is read whether it is broken: who makes it well at this moment either
            # finds these alerts told, or has made it well.
            channel.lock()
            if AlertChannel.objects.receiving().filter(pk=channel.pk).exists():
                tell_channel(channel, news, now=now)


def tell_channel(channel: AlertChannel, news: Sequence[News], *, now: dt.datetime) -> None:
    """Record the messages to one channel: of each rule one, about what it wants."""
    by_rule: dict[str, list[News]] = defaultdict(list)
    for each in news:
        if wants(channel, each.alert):
            by_rule[each.alert.rule].append(each)
    with transaction.atomic(using=dialects.ledger_connection().alias):
        for rule, theirs in by_rule.items():
            if channel.lock():
                _record(channel, rule, theirs, now=now)


def tell_what_holds(channel: AlertChannel, *, now: dt.datetime) -> None:
    """Tell a channel that is new, or was broken or off, of the alerts that people were told of
    without it, if they still hold and nobody has taken them on: news of what is over would
    mislead."""
    if not AlertChannel.objects.receiving().filter(pk=channel.pk).exists():
        return
    firing = Alert.objects.filter(state=AlertState.FIRING).exclude(facts__has_key=OVER)
    alerts = list(firing.exclude(told_at=None).order_by("pk"))
    if not alerts:
        return
    since = min(each.since for each in alerts)
    sent = AlertMessage.objects.filter(channel=channel, created_at__gte=since)
    heard = [each.alert_keys for each in sent.exclude(state=AlertMessageState.FAILED)]
    news = [News(each, "raised") for each in alerts if each.pk not in set().union(*heard)]
    tell_channel(channel, news, now=now)


def wants(channel: AlertChannel, alert: Alert) -> bool:
    """Whether a channel wants to be told of alerts so severe."""
    return channel.least_severity != Severity.CRITICAL or alert.severity == Severity.CRITICAL


def _record(channel: AlertChannel, rule: str, news: Sequence[News], *, now: dt.datetime) -> None:
    """Add the news to the message that waits, or record one. The channel is locked."""
    content = content_of(news, language=channel.language)
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
