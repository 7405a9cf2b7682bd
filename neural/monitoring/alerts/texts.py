"""Alerts as people read them, in the active language."""

import datetime as dt
import logging
from collections.abc import Mapping

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.kit.sites import list_if_there, page_of
from neural.monitoring.alerts.rules import RULES, UNKNOWN, Rule, in_language
from neural.monitoring.models import Alert

logger = logging.getLogger(__name__)


def rule_of(alert: Alert) -> Rule:
    """The alert's rule; if no installed app has it, one that knows no more than its name."""
    return RULES.find(alert.rule) or Rule(
        name=alert.rule,
        title=alert.rule,
        judge=lambda view, thresholds: UNKNOWN,
        sentence=lambda subject, facts: title(alert),
    )


def title(alert: Alert) -> str:
    """What is wrong, in a few words, and with what."""
    rule = rule_of(alert)
    if not alert.subject:
        return str(rule.chain_title or rule.title)
    about = {"what": rule.title, "subject": rule.subject_title(alert.subject)}
    return _("%(what)s: %(subject)s") % about


def sentence(alert: Alert) -> str:
    """What is wrong, with its figures, as they were when the alert was last seen; of an open alert
    that is over, since when it is, and today's figures."""
    rule = rule_of(alert)
    try:
        return _over(alert, rule) if alert.over else rule.sentence(alert.subject, alert.facts)
    except Exception as error:  # noqa: BLE001 (the facts of another version, or an app's faulty rule)
        logger.warning("event=rule_not_told rule=%s error=%r", alert.rule, str(error))
        return title(alert)


def _over(alert: Alert, rule: Rule) -> str:
    over = _("over since %(time)s, kept open because it comes and goes")
    if not alert.flapping_at:
        over = _("over since %(time)s; it ends in a moment if it does not come back")
    since = timezone.localtime(dt.datetime.fromisoformat(alert.over["since"]))
    over %= {"time": since.strftime("%Y-%m-%d %H:%M:%S")}
    if not (rule.well and alert.over["facts"]):
        return over
    now = rule.well(alert.subject, alert.over["facts"])
    return _("%(over)s; now: %(now)s") % {"over": over, "now": now}


def remedy(alert: Alert) -> str:
    """What to do about it, by the finding of doctor that it is about, or by its rule."""
    facts = alert.facts if isinstance(alert.facts, Mapping) else {}
    return in_language(facts.get("remedy")) or str(rule_of(alert).remedy)


def link(alert: Alert) -> str:
    """The address of the alert's page in the admin; empty if there is none."""
    return page_of(Alert, alert.pk)


def where_to_look(alert: Alert) -> str:
    """The address of the page that shows what is wrong; empty if there is none."""
    rule = rule_of(alert)
    return list_if_there(rule.page, rule.rows(alert.subject, alert.facts)) if rule.page else ""
