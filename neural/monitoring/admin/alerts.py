"""The admin's pages of alerts: which hold, who has taken them on, and what became of each."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant,
    link,
    short_instant,
)
from neural.admin.filters import EqualityFilter, choice_filter
from neural.admin.pages import page
from neural.admin.scope import ReadOnlyAdmin, section
from neural.kit.keyset.bounded import KeyPage, page_of_few
from neural.kit.keyset.planning import STORE
from neural.kit.keyset.walks import Walk
from neural.ledger.clock import database_clock
from neural.models.store import sees_every_store
from neural.monitoring.admin.alert_messages import explained
from neural.monitoring.alerts import texts
from neural.monitoring.alerts.news import wants
from neural.monitoring.alerts.rules import RULES
from neural.monitoring.console.page import ACKNOWLEDGE, Viewer
from neural.monitoring.console.verdict import shown_to
from neural.monitoring.models import (
    OPEN_STATES,
    Alert,
    AlertChannel,
    AlertMessage,
    AlertRule,
    AlertState,
    Severity,
)

ACKNOWLEDGED = gettext_noop("state: firing → acknowledged (acknowledge)")
OPEN, ALL = "open", "all"
CHOSEN_STATES = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.RESOLVED)
PERIODS = {"1": _("last day"), "7": _("last 7 days"), "30": _("last 30 days")}
MOST_ENTRIES = 50
MOST_MESSAGES = 50
COLOURS: dict[str, str] = {
    AlertState.FIRING: "failed",
    AlertState.ACKNOWLEDGED: "running",
    AlertState.RESOLVED: "succeeded",
    Severity.WARNING: "pending",
    Severity.CRITICAL: "dead",
}

TAKE_ON = Verb(
    name="acknowledge",
    label=_("Acknowledge"),
    explanation=_("Acknowledge: you take these on, and nobody is reminded of them"),
    permission=ACKNOWLEDGE,
    apply=lambda alert, user: alert.acknowledge(user.get_username(), now=database_clock()),
    fits=lambda alert: alert.state == AlertState.FIRING,
    change=lambda alert: ACKNOWLEDGED,
)


class AlertStateFilter(EqualityFilter):
    """Open alerts unless something else is chosen."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        states = [(str(each.value), str(each.label)) for each in CHOSEN_STATES]
        return [(ALL, _("all")), *states]

    def choices(self, changelist: Any) -> Any:
        """Django's choices; the first, which chooses nothing, is the open ones."""
        first, *others = super().choices(changelist)
        yield {**first, "display": gettext("open")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        """Without the alerts of single stores of which an open one of the whole chain tells, unless
        a state or a store is asked for."""
        found = queryset.filter(self.condition(self.value() or OPEN))
        if self.value() or request.GET.get(STORE) or not sees_every_store(request.user):
            return found
        return found.without_parts()

    def condition(self, value: str) -> Q:
        if value == ALL:
            return Q()
        return Q(state__in=OPEN_STATES) if value == OPEN else Q(state=value)


class RuleFilter(EqualityFilter):
    title = _("rule")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [(each.name, str(each.title)) for each in RULES.by_name()]


class PeriodFilter(EqualityFilter):
    """Alerts that began within so many days."""

    title = pgettext_lazy("monitoring", "period")
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return list(PERIODS.items())

    def condition(self, value: str) -> Q:
        if value not in PERIODS:
            return Q(pk=None)
        return Q(since__gt=database_clock() - dt.timedelta(days=int(value)))


@page(Alert)
class AlertAdmin(VerbsAdmin, ReadOnlyAdmin):
    """Users who are limited to stores see the alerts of their stores alone."""

    verbs = (TAKE_ON,)
    list_display = (
        "severity_badge",
        "what",
        "state_display",
        "since_column",
        "finding",
    )
    list_display_links = ("what",)
    list_filter = (
        AlertStateFilter,
        choice_filter(_("severity"), "severity", Severity),
        RuleFilter,
        PeriodFilter,
    )
    walks = (Walk(parameter=STORE, column="store_code"),)
    fieldsets = (
        section(
            None,
            "finding",
            "what_to_do",
            ("severity_badge", "state_badge"),
            "where_to_look",
            "last_seen",
        ),
        section(_("Messages"), "receivers", "sent_messages"),
        section(_("History"), "history"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The alerts that this user may see; pending ones are nobody's concern yet."""
        alerts: Any = super().get_queryset(request)
        return alerts.for_user(request.user).exclude(state=AlertState.PENDING)

    def find(self, request: HttpRequest, queryset: QuerySet, **options: Any) -> KeyPage:
        """The keys of one page; open alerts are few, and an index has them together."""
        if request.GET.get(AlertStateFilter.parameter_name) in (None, "", *OPEN_STATES):
            return page_of_few(queryset, **options)
        return super().find(request, queryset, **options)

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The alert, with what the home shows of it."""
        alert: Any = super().get_object(request, *args, **options)
        if alert is not None:
            alert.shown = shown_to(Viewer(request, self.admin_site), alert)
        return alert

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the page to look at if the user may not open it. Channels are of the whole chain:
        other users do not read where messages went."""
        (name, display), sent, history = self.fieldsets
        if obj is None or obj.shown.link in ("", texts.link(obj)):
            fields = [each for each in display["fields"] if each != "where_to_look"]
            display = {**display, "fields": fields}
        return [(name, display), *([sent] if sees_every_store(request.user) else []), history]

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | {"title": texts.title(row)}

    what = computed_column(pgettext_lazy("monitoring", "alert"), texts.title)
    finding = computed_column(_("what was found"), texts.sentence)

    what_to_do = computed_column(_("what to do"), lambda alert: alert.shown.remedy or NOTHING)

    @admin.display(description=_("severity"))
    def severity_badge(self, alert: Alert) -> SafeString:
        return badge(COLOURS.get(alert.severity, ""), alert.get_severity_display())

    @admin.display(description=_("state"))
    def state_badge(self, alert: Alert) -> SafeString:
        display = badge(COLOURS.get(alert.state, ""), alert.get_state_display())
        if alert.over:
            display = badge("succeeded", pgettext("alert", "over"))
        if not (alert.flapping_at and alert.is_open):
            return display
        return format_html("{} {}", display, badge("pending", gettext("flapping")))

    @admin.display(description=_("state"))
    def state_display(self, alert: Alert) -> SafeString:
        """The state, with who has taken it on."""
        if not alert.acknowledged_by:
            return self.state_badge(alert)
        return format_html("{}<br>{}", self.state_badge(alert), alert.acknowledged_by)

    @admin.display(description=_("since"))
    def since_column(self, alert: Alert) -> Any:
        """When it began and, if it has, when it ended."""
        began = short_instant(alert.since)
        if not alert.resolved_at:
            return began
        return format_html("{}<br>– {}", began, short_instant(alert.resolved_at))

    last_seen = computed_column(_("last seen"), instant, "seen_at")

    @admin.display(description=_("where to look"))
    def where_to_look(self, alert: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', alert.shown.link, alert.shown.title)

    receivers = computed_column(_("who is told"), lambda alert: receivers(alert))
    sent_messages = computed_column(_("who was told"), lambda alert: sent_messages(alert))

    @admin.display(description=pgettext_lazy("alert", "history"))
    def history(self, alert: Alert) -> SafeString:
        """What happened to it, the oldest first."""
        return _in_order(_steps(alert))


def _in_order(steps: Sequence[tuple[dt.datetime, str]]) -> SafeString:
    lines = sorted(steps, key=lambda step: step[0])
    items = ((instant(moment), text) for moment, text in lines)
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{} {}</li>", items))


def _steps(alert: Alert) -> list[tuple[dt.datetime, str]]:
    steps = [
        (alert.since, gettext("raised")),
        (alert.flapping_at, gettext("found flapping: it begins and ends again and again")),
        (alert.escalated_at, gettext("escalated: it is critical")),
        (alert.resolved_at, gettext("resolved: it was not found any more")),
    ]
    past = [(moment, text) for moment, text in steps if moment]
    return [*past, *_acknowledgements(alert)]


def _acknowledgements(alert: Alert) -> list[tuple[dt.datetime, str]]:
    """Who has taken it on. It fires again when it escalates, so there may be several."""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Alert), object_id=str(alert.pk)
    )
    text = gettext("acknowledged by %(name)s")
    found = entries.select_related("user").order_by("pk")[:MOST_ENTRIES]
    return [(each.action_time, text % {"name": each.user.get_username()}) for each in found]


def receivers(alert: Alert) -> SafeString | str:
    """The channels that get news of the alert, and why others do not."""
    if alert.is_part:
        return gettext("nobody: the alert of the whole chain is told in its place")
    muted = AlertRule.objects.filter(pk=alert.rule, muted_until__gt=database_clock()).first()
    if muted:
        until = instant(muted.muted_until)
        return format_html(gettext("nobody until {}: the rule is muted"), until)
    channels = [(each, _hindrance(each, alert)) for each in AlertChannel.objects.defer("secrets")]
    rows = [(link(each), f": {why}" if why else "") for each, why in channels]
    nobody = "" if any(not why for _, why in channels) else gettext("nobody: no channel")
    return format_html("{}{}", nobody, _listed("<li>{}{}</li>", rows))


def _hindrance(channel: AlertChannel, alert: Alert) -> str:
    """Why the channel is not told; empty if it is."""
    if not channel.enabled:
        return gettext("off")
    if channel.broken:
        return gettext("broken: %(why)s") % {"why": _in_words(channel.broken)}
    return "" if wants(channel, alert) else gettext("critical alerts alone")


def sent_messages(alert: Alert) -> SafeString | str:
    """The messages that told of the alert, the oldest first, with the answers."""
    sent = AlertMessage.objects.filter(rule=alert.rule, created_at__gte=alert.since)
    newest = sent.select_related("channel").defer("channel__secrets").order_by("-pk")
    mine = [each for each in newest[:MOST_MESSAGES] if alert.pk in each.alert_keys]
    if not mine:
        return pgettext("alert", "nobody")
    return _listed("<li>{} {}: {}{}</li>", map(_message, reversed(mine)))


def _message(message: AlertMessage) -> tuple[Any, ...]:
    channel = message.channel
    answer = f" – {_in_words(message.answer)}" if message.answer else ""
    at = instant(message.sent_at or message.created_at)
    return at, link(message, channel.name), message.get_state_display(), answer


def _in_words(answer: str) -> str:
    return f"{answer} {explained(answer)}".strip()


def _listed(item: str, rows: Iterable[Any]) -> SafeString | str:
    items = format_html_join("", item, rows)
    return format_html("<ul>{}</ul>", items) if items else ""
