"""Alerts as people read them, in the active language."""

import datetime as dt
import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.translation import gettext as _

from neural.monitoring.alerts.rules import RULES, Rule, in_language
from neural.monitoring.models import Alert
from neural.sites import address_if_there, page_of

logger = logging.getLogger(__name__)


def title_of_rule(name: str) -> str:
    """What the rule finds, in a few words; its name if no installed app has it."""
    rule = RULES.find(name)
    return str(rule.title) if rule else name


def title(alert: Alert) -> str:
    """What is wrong, in a few words, and with what."""
    rule = RULES.find(alert.rule)
    if not alert.subject and rule and rule.chain_title:
        return str(rule.chain_title)
    what = title_of_rule(alert.rule)
    if not alert.subject:
        return what
    return _("%(what)s: %(subject)s") % {"what": what, "subject": _subject(alert)}


def _subject(alert: Alert) -> str:
    rule = RULES.find(alert.rule)
    return rule.subject_title(alert.subject) if rule else alert.subject


def sentence(alert: Alert) -> str:
    """What is wrong, with its figures, as they were when the alert was last seen; of an open alert
    that is over, since when it is, and today's figures."""
    rule = RULES.find(alert.rule)
    if rule is None:
        return title(alert)
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
    rule = RULES.find(alert.rule)
    return in_language(facts.get("remedy")) or (str(rule.remedy) if rule else "")


def link(alert: Alert) -> str:
    """The address of the alert's page in the admin; empty if there is none."""
    return page_of(Alert, alert.pk)


def page_to_look_at(alert: Alert) -> str:
    """The name of the address of the page that shows what is wrong; empty if there is none."""
    rule = RULES.find(alert.rule)
    return rule.page if rule else ""


def where_to_look(alert: Alert) -> str:
    """The address of the page that shows what is wrong; empty if there is none."""
    rule = RULES.find(alert.rule)
    address = address_if_there(rule.page) if rule and rule.page else ""
    limits = urlencode(rule.rows(alert.subject, alert.facts)) if rule and address else ""
    return f"{address}?{limits}" if limits else address
