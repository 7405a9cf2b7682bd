"""Evaluation: a relay judges every rule, brings the alerts in line, and tells what is new."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Mapping

from django.db import transaction

from neural.health.situation import Situation
from neural.ledger import dialects
from neural.monitoring.alerts import life
from neural.monitoring.alerts.judging import UNKNOWN, Judgement, Rule, View
from neural.monitoring.alerts.news import tell_news
from neural.monitoring.alerts.noted import Findings, noted
from neural.monitoring.alerts.rules import RULES
from neural.monitoring.models import Alert, AlertRule

logger = logging.getLogger(__name__)

DATABASE = "database"
"""The rule that is judged although the database is unwell; all others are unknown then."""


def evaluate(situation: Situation, findings: Findings, *, now: dt.datetime) -> None:
    """Judge every rule and bring the alerts in line.

    ``findings`` are those of doctor's probes, as a sequence or by language; ``now`` is the
    database's time. Several relays may do this at once. A rule that fails is logged, and leaves its
    alerts as they are.
    """
    settings = {row.name: row for row in AlertRule.objects.all()}
    own = {name: row.thresholds for name, row in settings.items()}
    view = View(situation=situation, findings=noted(findings), now=now, own_thresholds=own)
    judged = {rule.name: _judge(rule, view, settings.get(rule.name)) for rule in RULES}
    with transaction.atomic(using=dialects.ledger_connection().alias):
        _advance(judged, now=now)
    tell_news(now=now, muted=_muted(settings, now=now))


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
            life.end_quietly(open_ones[rule.name], now=now)
        else:
            life.advance(rule, judgement, open_ones[rule.name], now=now)
    for name in open_ones.keys() - judged.keys():
        abandoned = [each for each in open_ones[name] if now - each.seen_at > life.ABANDONED]
        life.end_quietly(abandoned, now=now)


def _muted(settings: Mapping[str, AlertRule], *, now: dt.datetime) -> list[str]:
    rows = settings.values()
    return [row.name for row in rows if row.muted_until and row.muted_until > now]
