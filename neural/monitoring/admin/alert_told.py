"""What an alert's page says of its messages: who is told, who was, and what each answered."""

from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from neural.admin.display import instant, link
from neural.ledger.clock import database_clock
from neural.monitoring.alerts.explaining import explained
from neural.monitoring.alerts.telling import wants
from neural.monitoring.models import Alert, AlertChannel, AlertMessage, AlertRule

MOST_MESSAGES = 50


def who_is_told(alert: Alert) -> SafeString | str:
    """The channels that get news of the alert, and why others do not."""
    if alert.is_part:
        return _("nobody: the alert of the whole chain is told in its place")
    muted = AlertRule.objects.filter(pk=alert.rule, muted_until__gt=database_clock()).first()
    if muted:
        until = instant(muted.muted_until)
        return format_html(_("nobody until {}: the rule is muted"), until)
    channels = [(each, _hindrance(each, alert)) for each in AlertChannel.objects.defer("secrets")]
    shown = [(link(each), f": {why}" if why else "") for each, why in channels]
    nobody = "" if any(not why for _, why in channels) else _("nobody: no channel")
    return format_html("{}{}", nobody, _listed("<li>{}{}</li>", shown))


def _hindrance(channel: AlertChannel, alert: Alert) -> str:
    """Why the channel is not told; empty if it is."""
    if not channel.enabled:
        return _("off")
    if channel.broken:
        return _("broken: %(why)s") % {"why": _in_words(channel, channel.broken)}
    return "" if wants(channel, alert) else _("critical alerts alone")


def who_was_told(alert: Alert) -> SafeString | str:
    """The messages that told of the alert, the oldest first, with the answers."""
    sent = AlertMessage.objects.filter(rule=alert.rule, created_at__gte=alert.since)
    newest = sent.select_related("channel").defer("channel__secrets").order_by("-pk")
    mine = [each for each in newest[:MOST_MESSAGES] if alert.pk in each.told_of]
    if not mine:
        return pgettext("alert", "nobody")
    return _listed("<li>{} {}: {}{}</li>", map(_message, reversed(mine)))


def _message(message: AlertMessage) -> tuple[Any, ...]:
    channel = message.channel
    answer = f" – {_in_words(channel, message.answer)}" if message.answer else ""
    at = instant(message.sent_at or message.created_at)
    return at, link(message, channel.name), message.get_state_display(), answer


def _in_words(channel: AlertChannel, answer: str) -> str:
    return f"{answer} {explained(channel.kind, answer)}".strip()


def _listed(item: str, rows: Iterable[Any]) -> SafeString | str:
    items = format_html_join("", item, rows)
    return format_html("<ul>{}</ul>", items) if items else ""
