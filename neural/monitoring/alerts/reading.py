"""Open alerts for pages."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, When
from django.urls import NoReverseMatch

from neural.models.store import sees_every_store
from neural.monitoring.alerts import texts
from neural.monitoring.models import Alert, AlertState, Severity
from neural.sites import address_in_admin

MOST_SHOWN = 50
ACKNOWLEDGE = "neural_monitoring.acknowledge_alert"


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An open alert as a page shows it, in the active language."""

    pk: int
    rule: str
    subject: str
    store_code: str
    stores: Sequence[str] = ()
    """Codes of the stores that an alert of the whole chain tells of, as far as it names them."""
    title: str
    sentence: str
    remedy: str
    since: dt.datetime
    is_over: bool = False
    """Whether it is kept open although it was not found any more."""
    is_critical: bool
    taken_by: str
    """Who has acknowledged it."""
    link: str
    """The address of its page; empty if the admin site has none."""
    where: str = ""
    """The address of the page that shows what is wrong."""
    page: str = ""
    """The name of that address; empty if the rule has none."""
    acknowledge_address: str
    """Where a form posts to acknowledge it; empty if it is acknowledged, or the user may not."""


def open_alerts(user: Any, *, most: int = MOST_SHOWN) -> list[OpenAlert]:
    """The open alerts that the user may see: critical ones first, then the newest."""
    if not user.has_perm("neural_monitoring.view_alert"):
        return []
    urgency = Case(When(severity=Severity.CRITICAL, then=0), default=1)
    alerts = Alert.objects.open().for_user(user)
    if sees_every_store(user):
        alerts = alerts.told_by_themselves()
    return [_shown(alert, user) for alert in alerts.order_by(urgency, "-since", "-pk")[:most]]


def _shown(alert: Alert, user: Any) -> OpenAlert:
    return OpenAlert(
        pk=alert.pk,
        rule=alert.rule,
        subject=alert.subject,
        store_code=alert.store_code,
        stores=alert.facts.get("stores", ()) if isinstance(alert.facts, dict) else (),
        title=texts.title(alert),
        sentence=texts.sentence(alert),
        remedy=texts.remedy(alert),
        since=alert.since,
        is_over=bool(alert.over),
        is_critical=alert.severity == Severity.CRITICAL,
        taken_by=alert.acknowledged_by if alert.state == AlertState.ACKNOWLEDGED else "",
        link=texts.link(alert),
        where=texts.where_to_look(alert),
        page=texts.page_to_look_at(alert),
        acknowledge_address=_acknowledge_address(alert, user),
    )


def _acknowledge_address(alert: Alert, user: Any) -> str:
    if alert.state != AlertState.FIRING or not user.has_perm(ACKNOWLEDGE):
        return ""
    try:
        return address_in_admin("neural_monitoring_alert_act", alert.pk, "acknowledge")
    except NoReverseMatch:
        return ""
