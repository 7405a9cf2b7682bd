"""Evaluation: a relay judges every rule, brings the alerts in line, and tells what is new."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models import QuerySet

from neural.health.situation import Situation
from neural.ledger import dialects
from neural.monitoring.alerts.news import tell_news
from neural.monitoring.alerts.rules import (
    RULES,
    UNKNOWN,
    Condition,
    Facts,
    Findings,
    Judgement,
    Rule,
    View,
    by_probe,
)
from neural.monitoring.models import Alert, AlertRule, AlertState, Severity
from neural.monitoring.models.alerts import OVER

logger = logging.getLogger(__name__)

DATABASE = "database"
"""The rule that is judged although the database is unwell; all others are unknown then."""
MOST_ALERTS = 1000
"""The most alerts of one rule at a time. So many cost an examination a quarter of a second."""
UNSEEN = dt.timedelta(minutes=5)
"""A pending alert that was not confirmed for so long begins again: nobody looked meanwhile."""
ABANDONED = dt.timedelta(days=1)
"""Alerts about which no relay has known anything for so long end: their rule or subject is gone. A
relay of an older version must not end those of a newer one at once."""
FLAPPING_WITHIN = dt.timedelta(minutes=30)
FLIPS = 3
"""An alert flaps if it has begun or ended so often within that time."""
SUBJECT_LENGTH: int = Alert._meta.get_field("subject").max_length or 0


def evaluate(situation: Situation, findings: Findings, *, now: dt.datetime) -> None:
    """Judge every rule and bring the alerts in line.

    ``findings`` are those of doctor's probes, as a sequence or by language; ``now`` is the
    database's time. Several relays may do this at once. A rule that fails is logged, and leaves its
    alerts as they are.
    """
    settings, judged = _judged(RULES, situation, findings, now=now)
    with transaction.atomic(using=dialects.ledger_connection().alias):
        _advance(judged, now=now)
    rows = settings.values()
    muted = [row.name for row in rows if row.muted_until and row.muted_until > now]
    tell_news(now=now, muted=muted)


def _judged(
    rules: Iterable[Rule], situation: Situation, findings: Findings, *, now: dt.datetime
) -> tuple[Mapping[str, AlertRule], Mapping[str, Judgement | None]]:
    """What people have set for rules, and what these rules find."""
    settings = {row.name: row for row in AlertRule.objects.all()}
    own = {name: row.thresholds for name, row in settings.items()}
    view = View(situation=situation, findings=by_probe(findings), now=now, own_thresholds=own)
    return settings, {rule.name: _judge(rule, view, settings.get(rule.name)) for rule in rules}


def found_now(situation: Situation, *, now: dt.datetime) -> list[Alert]:
    """What the rules that are judged of stores find now in those of the situation, as alerts that
    no table has: nobody is told of them, and they end with what they tell of."""
    _, judged = _judged([each for each in RULES if each.of_stores], situation, (), now=now)
    return [
        Alert(rule=name, subject=each.subject, severity=each.severity, facts=dict(each.facts))
        for name, judgement in judged.items()
        for each in (judgement.conditions if judgement else ())
    ]


def _judge(rule: Rule, view: View, setting: AlertRule | None) -> Judgement | None:
    """What the rule finds; None if it is switched off."""
    if setting and not setting.enabled:
        return None
    if rule.name != DATABASE and view.is_problem("database"):
        return UNKNOWN
    try:
        return rule.judge(view, view.thresholds_of(rule))
    except Exception as error:  # a faulty rule must not stop the others
        logger.warning("event=rule_failed rule=%s error=%r", rule.name, str(error), exc_info=True)
        return UNKNOWN


def _advance(judged: Mapping[str, Judgement | None], *, now: dt.datetime) -> None:
    open_ones: dict[str, list[Alert]] = defaultdict(list)
    for alert in Alert.objects.unresolved().order_by("pk"):
        open_ones[alert.rule].append(alert)
    for rule in RULES:
        judgement = judged[rule.name]
        if judgement is None:
            end_quietly(open_ones[rule.name], now=now)
        else:
            advance(rule, judgement, open_ones[rule.name], now=now)
    for name in open_ones.keys() - judged.keys():
        abandoned = [each for each in open_ones[name] if now - each.seen_at > ABANDONED]
        end_quietly(abandoned, now=now)


def advance(rule: Rule, judgement: Judgement, alerts: Iterable[Alert], *, now: dt.datetime) -> None:
    """Bring the rule's unresolved alerts in line with what it has found."""
    known = {each.subject: each for each in alerts}
    found = _bounded(rule, judgement.conditions, known)
    _start_pending(rule, [found[name] for name in found if name not in known], now=now)
    for subject, alert in known.items():
        if subject in found:
            _go_on(rule, alert, found[subject], now=now)
        elif judgement.knows(subject):
            _end(rule, alert, judgement.well(subject), now=now)
        elif now - alert.seen_at > ABANDONED:
            end_quietly([alert], now=now)
    _confirm([known[name] for name in found if name in known], found, now=now)


def _bounded(
    rule: Rule, conditions: Iterable[Condition], known: Mapping[str, Alert]
) -> dict[str, Condition]:
    """The conditions by subject; of a subject with several, the most severe one."""
    by_severity = sorted(conditions, key=lambda each: each.severity == Severity.CRITICAL)
    found = {each.subject[:SUBJECT_LENGTH]: each for each in by_severity}
    if len(found) <= MOST_ALERTS:
        return found
    logger.warning("event=alerts_bounded rule=%s found=%d", rule.name, len(found))
    # Those that there are already come first, or alerts would end that still hold.
    first = sorted(found, key=lambda name: (name not in known, name))[:MOST_ALERTS]
    return {name: found[name] for name in first}


def _start_pending(rule: Rule, conditions: Iterable[Condition], *, now: dt.datetime) -> None:
    new = [
        Alert(
            rule=rule.name,
            subject=each.subject[:SUBJECT_LENGTH],
            store_code=each.store_code,
            severity=each.severity,
            state=AlertState.PENDING,
            facts=dict(each.facts),
            since=now,
            seen_at=now,
        )
        for each in conditions
    ]
    if not new:
        return
    Alert.objects.bulk_create(new, ignore_conflicts=True)  # another relay may have been first
    if rule.for_seconds <= 0:
        subjects = [each.subject for each in new]
        pending = Alert.objects.filter(rule=rule.name, state=AlertState.PENDING)
        for alert in pending.filter(subject__in=subjects):
            _fire(alert, now=now)


def _go_on(rule: Rule, alert: Alert, condition: Condition, *, now: dt.datetime) -> None:
    """Take up what is found again of a subject that has an alert."""
    if alert.state == AlertState.PENDING:
        if now - alert.seen_at > UNSEEN:
            _pending(alert).update(since=now)
        elif (now - alert.since).total_seconds() >= rule.for_seconds:
            alert.severity = condition.severity
            _fire(alert, now=now)
    elif condition.severity == Severity.CRITICAL and alert.severity == Severity.WARNING:
        _escalate(alert, now=now)


def _fire(alert: Alert, *, now: dt.datetime) -> None:
    flapping = now if _flips(alert, now=now) >= FLIPS else None
    fired = _pending(alert).update(
        state=AlertState.FIRING, severity=alert.severity, flapping_at=flapping
    )
    if fired:
        _log("alert_raised", alert)


def _flips(alert: Alert, *, now: dt.datetime) -> int:
    """How often it has begun or ended lately, this time included."""
    since = now - FLAPPING_WITHIN
    before = Alert.objects.filter(rule=alert.rule, subject=alert.subject).resolved_since(since)
    return 1 + sum(1 + (each.since > since) for each in before.order_by("-pk")[:FLIPS])


def _escalate(alert: Alert, *, now: dt.datetime) -> None:
    """Make it critical. A severity never falls while an alert is open. Whoever took on a warning
    has not taken on this: it fires again."""
    milder = Alert.objects.open().filter(pk=alert.pk, severity=Severity.WARNING)
    if milder.update(severity=Severity.CRITICAL, escalated_at=now, state=AlertState.FIRING):
        alert.severity = Severity.CRITICAL
        _log("alert_escalated", alert)


def _end(rule: Rule, alert: Alert, figures: Facts, *, now: dt.datetime) -> None:
    """End an alert that was not found any more, unless another relay has just found it. Until it
    has kept away for long enough, note that it is over, with the figures of now."""
    as_read = Alert.objects.filter(pk=alert.pk, state=alert.state, seen_at=alert.seen_at)
    if alert.state == AlertState.PENDING:
        as_read.delete()
    elif now - alert.seen_at >= _held(rule, alert):
        if as_read.update(state=AlertState.RESOLVED, resolved_at=now):
            _log("alert_resolved", alert)
    else:
        since = alert.over.get("since", now.isoformat())
        over = {"since": since, "facts": dict(figures)}
        if over != alert.over:
            as_read.update(facts={**alert.facts, OVER: over})


def _held(rule: Rule, alert: Alert) -> dt.timedelta:
    """How long an alert stays open after it was last found."""
    if alert.flapping_at:
        return FLAPPING_WITHIN
    # One that nobody has been told of ends at once, and nobody ever hears of it.
    return dt.timedelta(seconds=rule.keep_firing_seconds if alert.told_at else 0)


def end_quietly(alerts: Iterable[Alert], *, now: dt.datetime) -> None:
    """Resolve alerts that are not judged any more, without telling anybody."""
    for alert in alerts:
        same = Alert.objects.filter(pk=alert.pk, state=alert.state)
        if alert.state == AlertState.PENDING:
            same.delete()
        else:
            same.update(state=AlertState.RESOLVED, resolved_at=now, told_at=now)


def _confirm(alerts: Iterable[Alert], found: Mapping[str, Condition], *, now: dt.datetime) -> None:
    """Record that these were found again, and with which facts."""
    again = list(alerts)
    if not again:
        return
    Alert.objects.unresolved().filter(pk__in=[each.pk for each in again]).update(seen_at=now)
    changed = [each for each in again if each.facts != dict(found[each.subject].facts)]
    for alert in changed:
        alert.facts = dict(found[alert.subject].facts)
    Alert.objects.bulk_update(changed, ["facts"])


def _pending(alert: Alert) -> QuerySet[Alert]:
    return Alert.objects.filter(pk=alert.pk, state=AlertState.PENDING)


def _log(event: str, alert: Alert) -> None:
    level = logging.INFO if event == "alert_resolved" else logging.WARNING
    logger.log(
        level,
        "event=%s rule=%s subject=%r severity=%s",
        event,
        alert.rule,
        alert.subject,
        alert.severity,
    )
