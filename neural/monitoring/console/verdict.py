"""The verdict: what needs somebody now, from the open alerts and the findings of the probes."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.db.models import Case, When
from django.utils.text import slugify
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from neural.health.checks import CHECKS, Check
from neural.health.examination import ask
from neural.health.findings import Finding, Status
from neural.health.situation import Situation
from neural.kit.sites import address_if_there, list_if_there
from neural.ledger.clock import database_clock
from neural.models.store import sees_every_store
from neural.monitoring.alerts import texts
from neural.monitoring.alerts.evaluating import found_now
from neural.monitoring.alerts.rules.findings import FINDING
from neural.monitoring.conf import STALE_AFTER, conf
from neural.monitoring.console.page import ACKNOWLEDGE, Part, Viewer
from neural.monitoring.console.texts import moment_of, rough
from neural.monitoring.models import Alert, AlertState, Examination, Severity
from neural.personal.redacting import redacted_text
from neural.queues.state import QueueState, WaitLimits, wait_limits

MOST_ALERTS = 50


@dataclass(frozen=True)
class Watched:
    """The last examination; empty if there was none."""

    now: dt.datetime
    """The database's time."""
    ended_at: dt.datetime | None = None
    findings: Sequence[Finding] = ()
    """In the reader's language."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_stale(self) -> bool:
        """Whether no relay has looked for so long that what was found may no longer hold."""
        longest = max(STALE_AFTER, dt.timedelta(seconds=4 * conf().examine_seconds))
        return self.ended_at is None or self.now - self.ended_at > longest

    @cached_property
    def queues(self) -> Mapping[str, QueueState]:
        kept = self.facts.get("queues", {})
        return {
            name: QueueState.from_json(name, each, self.limits(name)) for name, each in kept.items()
        }

    @cached_property
    def limits(self) -> Callable[[str], WaitLimits]:
        """How long due runs of a queue may wait, as people want it now."""
        return wait_limits()

    @property
    def processes(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.facts.get("processes", ())
        return found

    @property
    def is_broker_away(self) -> bool:
        return self.facts.get("broker", {}).get("up") is False

    def since(self, probe: str) -> dt.datetime | None:
        """Since when the probe has found what needs somebody."""
        return moment_of(self.facts.get("since", {}).get(probe))


def watched() -> Watched:
    """Read the last examination."""
    row = Examination.objects.filter(pk=1).first()
    now = database_clock()
    if row is None or row.ended_at is None:
        return Watched(now)
    stored = row.findings.get(get_language()) or next(iter(row.findings.values()), ())
    findings = [Finding(**{**each, "status": Status(each["status"])}) for each in stored]
    return Watched(now, row.ended_at, findings, row.facts)


PROBLEM, WARNING, UNKNOWN, GOOD = "problem", "warning", "unknown", "good"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that needs somebody: an open alert, or what a probe found."""

    name: str
    """Stays the same while the thing lasts: what a reader has unfolded stays so."""
    title: Any
    text: str
    since: dt.datetime | None = None
    is_critical: bool = False
    remedy: str = ""
    link: str = ""
    """The page of the alert, or of what is wrong."""
    acknowledge: str = ""
    """The address to which the acknowledging form is sent; empty if the user may not."""
    taken_by: str = ""
    """Who has acknowledged it."""
    is_over: bool = False
    """Whether it needs nobody any more."""
    rule: str = ""
    """The rule of an alert."""
    subject: str = ""
    store_code: str = ""
    stores: Sequence[str] = ()
    """Codes of the stores that an alert of the whole chain tells of, as far as it names them."""
    where: str = ""
    """The address of the page that shows what is wrong, and (``page``) the name of that address."""
    page: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it needs somebody, and nobody has taken it on."""
        return not (self.taken_by or self.is_over)


def open_alerts(user: Any, *, most: int = MOST_ALERTS) -> list[Item]:
    """The open alerts that the user may see, in the active language: critical ones first, then the
    newest."""
    if not user.has_perm("neural_monitoring.view_alert"):
        return []
    urgency = Case(When(severity=Severity.CRITICAL, then=0), default=1)
    alerts = Alert.objects.open().for_user(user)
    if sees_every_store(user):
        alerts = alerts.without_parts()
    return [_of_alert(alert, user) for alert in alerts.order_by(urgency, "-since", "-pk")[:most]]


def found_of_stores(viewer: Viewer, now: dt.datetime) -> tuple[list[Item], list[Finding]]:
    """What the rules of alerts and the probes find now in the stores of a viewer who does not see
    all of them, and may see their runs."""
    situation = Situation(viewer.stores)
    items = []
    if "neural.taskrun" in viewer.lists:
        for alert in found_now(situation, now=now):
            name = slugify(f"{alert.rule}-{alert.subject}")
            items.append(replace(_of_alert(alert, viewer.user), name=name, link="", since=None))
    mine = [each for each in CHECKS if each.of_stores and viewer.may_open(each.page)]
    findings = [ask(each, situation) for each in mine]
    # The home is made once for all who see the same, whether they may see personal data or not.
    return items, [replace(each, found=redacted_text(each.found), remedy="") for each in findings]


def _of_alert(alert: Alert, user: Any) -> Item:
    return Item(
        name=f"alert-{alert.pk}",
        title=texts.title(alert),
        text=texts.sentence(alert),
        since=alert.since,
        is_critical=alert.severity == Severity.CRITICAL,
        remedy=texts.remedy(alert),
        link=texts.link(alert),
        acknowledge=_acknowledge_address(alert, user),
        taken_by=alert.acknowledged_by if alert.state == AlertState.ACKNOWLEDGED else "",
        is_over=bool(alert.over),
        rule=alert.rule,
        subject=alert.subject,
        store_code=alert.store_code,
        stores=alert.facts.get("stores", ()) if isinstance(alert.facts, dict) else (),
        where=texts.where_to_look(alert),
        page=texts.rule_of(alert).page,
    )


def _acknowledge_address(alert: Alert, user: Any) -> str:
    if alert.state != AlertState.FIRING or not user.has_perm(ACKNOWLEDGE):
        return ""
    return address_if_there("neural_monitoring_alert_act", alert.pk, "acknowledge")


@dataclass(frozen=True)
class Verdict:
    """The strip at the top of the home."""

    kind: str
    headline: str
    items: Sequence[Item]
    well: int
    """How many checks found nothing."""


def verdict(viewer: Viewer, watched: Watched, read: Part, findings: Sequence[Finding]) -> Verdict:
    """What needs somebody: open alerts (the part that read them), and what the probes found
    besides.

    Users who are limited to stores see what :func:`found_of_stores` finds there, whether anybody
    looks and whether the broker is away: the texts of other probes name runs of every store.
    """
    alerts: Sequence[Item] = read.content or ()
    items = [_for_viewer(alert, watched, viewer) for alert in alerts]
    # An alert that is over says that it is not so.
    covered = {name for alert in alerts if not alert.is_over for name in _checks_of(alert)}
    items += [
        _of_finding(each, watched, viewer)
        for each in findings
        if each.status in (Status.PROBLEM, Status.WARNING) and each.probe not in covered
    ]
    if viewer.stores is not None and watched.is_broker_away:
        items.append(_broker_away(watched))
    if watched.is_stale:
        items.insert(0, _unwatched(watched))
    items.sort(key=lambda item: (not item.is_open, not item.is_critical))
    open_ones = [item for item in items if item.is_open]
    well = sum(each.status == Status.OK for each in watched.findings)
    kind = _kind(open_ones, is_known=not (watched.is_stale or read.failed))
    return Verdict(kind, _headline(open_ones, kind), items, well)


def _kind(items: Sequence[Item], *, is_known: bool) -> str:
    if any(item.is_critical for item in items):
        return PROBLEM
    if not is_known:
        return UNKNOWN
    return WARNING if items else GOOD


def _headline(items: Sequence[Item], kind: str) -> str:
    if not items:
        return _("All flows") if kind == GOOD else _("The alerts cannot be read now.")
    number = len(items)
    return ngettext("%(count)d thing needs you", "%(count)d things need you", number) % {
        "count": number
    }


def _checks_of(alert: Item) -> Collection[str]:
    """The names of the checks of which the alert tells."""
    if alert.rule == FINDING.name:
        return (alert.subject,)
    return [each.name for each in CHECKS if alert.rule in (*each.alerts, *each.covered_by)]


def shown_to(viewer: Viewer, alert: Alert) -> Item:
    """The alert as the home shows it."""
    return _for_viewer(_of_alert(alert, viewer.user), watched(), viewer)


def _for_viewer(alert: Item, watched: Watched, viewer: Viewer) -> Item:
    """The alert with the heading and remedy of its probe, and a link that the viewer may follow."""
    check = CHECKS.find(alert.subject) if alert.rule == FINDING.name else None
    covered = _checks_of(alert)
    own = [each.remedy for each in watched.findings if each.probe in covered]
    return replace(
        alert,
        title=(check and check.title) or alert.title,
        remedy=alert.remedy or next(filter(None, own if viewer.stores is None else ()), ""),
        link=_place_of(check, viewer)
        or (alert.where if viewer.may_open(alert.page) else alert.link),
    )


def _of_finding(finding: Finding, watched: Watched, viewer: Viewer) -> Item:
    check = CHECKS.find(finding.probe)
    return Item(
        name=slugify(finding.probe),
        title=(check and check.title) or finding.probe,
        text=finding.found,
        since=watched.since(finding.probe) if viewer.stores is None else None,
        is_critical=finding.status == Status.PROBLEM,
        remedy=finding.remedy,
        link=_place_of(check, viewer),
    )


def _place_of(check: Check | None, viewer: Viewer) -> str:
    """The address where this viewer sees more of what the check finds; empty if there is none."""
    if check is None or not viewer.may_open(check.page):
        return ""
    return list_if_there(check.page, check.rows)


def _broker_away(watched: Watched) -> Item:
    return Item(
        name="broker",
        title=CHECKS.get("broker").title,
        text=_(
            "The broker is away. Events are accepted; nothing is lost; they run when it is back."
        ),
        since=watched.since("broker"),
        is_critical=True,
    )


def _unwatched(watched: Watched) -> Item:
    if watched.ended_at is None:
        text = _("No relay has looked yet: what works and what does not is unknown.")
    else:
        text = _(
            "No relay has looked for %(span)s: what is shown of queues, workers and the broker is "
            "as old as that."
        ) % {"span": rough(watched.now - watched.ended_at)}
    return Item(
        name="unwatched",
        title=_("Nobody looks"),
        text=text,
        since=watched.ended_at,
        is_critical=watched.ended_at is not None,
        # A relay that cannot write down what it found looks the same from here.
        remedy=_(
            "type: manage.py doctor; it says whether workers live and whether the database takes "
            "changes (a full disk stops every relay); every worker has a relay: start one, or "
            "type: manage.py relay"
        ),
    )
