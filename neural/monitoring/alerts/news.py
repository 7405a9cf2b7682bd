"""News: which alerts people must be told of now.

It follows from the rows alone. An alert is told by setting ``told_at`` in the transaction that also
records the messages, so nothing is told twice or left out, whichever relay is killed when.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from django.db import transaction
from django.db.models import F, Q

from neural.ledger import dialects
from neural.monitoring.alerts.rules import RULES
from neural.monitoring.alerts.telling import tell
from neural.monitoring.alerts.told import Told, What
from neural.monitoring.conf import conf
from neural.monitoring.models import OPEN_STATES, Alert, AlertState

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
    waiting = {*muted, *_told_lately(now=now)}
    for rule, alerts in sorted(by_rule.items()):
        if rule not in waiting:
            _tell(news_of(alerts, now=now), now=now)


def _told_lately(*, now: dt.datetime) -> Iterable[str]:
    """Rules of which a message was recorded less than its pause ago."""
    pause = dt.timedelta(seconds=conf().alert_message_seconds)
    # An index finds both: there is none of when alerts were told.
    recent = Q(state__in=OPEN_STATES) | Q(
        state=AlertState.RESOLVED, resolved_at__gt=now - REMEMBERED
    )
    told = Alert.objects.filter(recent, told_at__gt=now - pause)
    return told.order_by().values_list("rule", flat=True).distinct()


def _tell(news: Sequence[Told], *, now: dt.datetime) -> None:
    if not news:
        return
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


def news_of(alerts: Sequence[Alert], *, now: dt.datetime) -> list[Told]:
    """The news about the alerts of one rule. New ones wait a little for more of their kind, and are
    then told together."""
    waited = any(_is_new(each) and _has_waited(each, now=now) for each in alerts)
    found = ((each, _news(each, waited=waited, now=now)) for each in alerts)
    return [Told(alert, what) for alert, what in found if what]


def _is_new(alert: Alert) -> bool:
    is_part = alert.is_part  # the alert of the whole chain is told in its place
    return alert.state == AlertState.FIRING and alert.told_at is None and not is_part


def _has_waited(alert: Alert, *, now: dt.datetime) -> bool:
    rule = RULES.find(alert.rule)
    before = rule.for_seconds if rule else 0
    wait = dt.timedelta(seconds=before + conf().alert_group_wait_seconds)
    return now - alert.since >= wait


def _news(alert: Alert, *, waited: bool, now: dt.datetime) -> What | None:
    told = alert.told_at
    if told is None:
        if waited and _is_new(alert):
            return "flapping" if alert.flapping_at else "raised"
        return None
    if alert.state == AlertState.RESOLVED:
        return "resolved" if alert.resolved_at and told < alert.resolved_at else None
    if alert.escalated_at and told < alert.escalated_at:
        return "escalated"
    remind = dt.timedelta(seconds=conf().alert_remind_seconds)
    # Not while nobody knows whether it still holds.
    is_confirmed = alert.seen_at >= now
    is_due = alert.state == AlertState.FIRING and now - told >= remind and not alert.is_part
    return "reminded" if is_due and is_confirmed else None
