"""Composes messages: from what people are told of alerts to a text in the language of a channel.

The content of a message is kept with it as JSON, in the channel's language and as things were when
it was told. It is ``{"alerts": […], "left_out": 0}``, or ``{"test_by": "name"}`` for a test.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from neural.monitoring.alerts import texts
from neural.monitoring.alerts.channels.base import Message
from neural.monitoring.conf import conf
from neural.monitoring.models import Alert, AlertMessage, Severity
from neural.personal.redacting import redacted

MOST_ALERTS = 50
"""Of these, a message stores what they say; further ones are counted."""
_MOST_LISTED = 10

What = Literal["raised", "escalated", "resolved", "reminded", "flapping"]


@dataclass(frozen=True)
class News:
    """An alert, and what has happened to it that people are to be told."""

    alert: Alert
    what: What


def content_of(news: Sequence[News], *, language: str) -> dict[str, Any]:
    """The content of a message that tells these, in a language."""
    with translation.override(language):
        return {
            "alerts": [_stored(each) for each in news[:MOST_ALERTS]],
            "left_out": max(len(news) - MOST_ALERTS, 0),
        }


def with_more(content: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a message to which further news is added."""
    alerts = [*content["alerts"], *more["alerts"]]
    left_out = content["left_out"] + more["left_out"] + max(len(alerts) - MOST_ALERTS, 0)
    return {"alerts": alerts[:MOST_ALERTS], "left_out": left_out}


def _stored(news: News) -> dict[str, Any]:
    alert = news.alert
    return {
        "what": news.what,
        "alert": alert.pk,
        "rule": alert.rule,
        "subject": alert.subject,
        "store": alert.store_code,
        "severity": str(alert.severity),
        "since": alert.since.isoformat(),
        "title": texts.title(alert),
        "text": texts.sentence(alert),
        "remedy": texts.remedy(alert),
        "link": _link(f"{alert.pk}/change/"),
    }


def compose(message: AlertMessage, *, language: str) -> Message:
    """What is sent to people and to machines, in a language."""
    with translation.override(language):
        if "test_by" in message.content:
            return _test(message)
        return _news(message)


def _test(message: AlertMessage) -> Message:
    by = message.content["test_by"]
    return Message(
        message_id=message.message_id,
        type="alert.test",
        created_at=message.created_at,
        title=_("Alert · test message"),
        lines=[
            _("%(user)s has asked for this message, to see whether it arrives.") % {"user": by},
            _("Nothing is wrong."),
        ],
        is_all_clear=True,
        thread="test",
        data={"alerts": []},
    )


def _news(message: AlertMessage) -> Message:
    # Nobody knows who reads it where it is sent to.
    alerts = redacted(message.content.get("alerts", []))
    left_out = message.content.get("left_out", 0)
    kinds = {each["what"] for each in alerts}
    one = alerts[0] if alerts and len(alerts) + left_out == 1 else None
    subjects = {each["subject"] for each in alerts}
    about = subjects.pop() if len(subjects) == 1 else ""
    return Message(
        message_id=message.message_id,
        type=f"alert.{kinds.pop()}" if len(kinds) == 1 else "alert.several",
        created_at=message.created_at,
        title=_title(alerts, left_out),
        lines=list(_lines_of_one(one) if one else _lines(alerts, left_out)),
        is_critical=any(map(_is_urgent, alerts)),
        is_all_clear=all(each["what"] == "resolved" for each in alerts),
        link=one["link"] if one else _link(),
        link_text=_("Open in the admin"),
        thread=f"{message.rule}\n{about}",
        data={"alerts": alerts, "left_out": left_out},
    )


_WHAT: Mapping[str, Callable[[], str]] = {
    "escalated": lambda: _("now critical"),
    "resolved": lambda: pgettext("alert", "resolved"),
    "flapping": lambda: _("comes and goes"),
}


def _what(alert: Mapping[str, Any]) -> str:
    """What has happened, in a word or two."""
    if alert["what"] in _WHAT:
        return _WHAT[alert["what"]]()
    severity = str(Severity(alert["severity"]).label)
    if alert["what"] == "reminded":
        return _("still %(severity)s") % {"severity": severity}
    return severity


def _is_urgent(alert: Mapping[str, Any]) -> bool:
    return alert["severity"] == Severity.CRITICAL and alert["what"] != "resolved"


def _title(alerts: Sequence[Mapping[str, Any]], left_out: int) -> str:
    if not alerts:
        return _("Alert")
    first = next(filter(_is_urgent, alerts), alerts[0])
    # The first word of every message is the same: keyword filters of robots look for it.
    title = _("Alert · %(what)s: %(title)s") % {"what": _what(first), "title": first["title"]}
    more = len(alerts) + left_out - 1
    if not more:
        return title
    text = ngettext("%(title)s, and %(count)d more", "%(title)s, and %(count)d more", more)
    return text % {"title": title, "count": more}


def _lines_of_one(alert: Mapping[str, Any]) -> Iterator[str]:
    yield alert["text"]
    if alert["remedy"]:
        yield _("What to do: %(remedy)s") % {"remedy": alert["remedy"]}
    if alert["store"]:
        yield _("Store: %(store)s") % {"store": alert["store"]}
    yield _("Since: %(time)s") % {"time": _local(alert["since"])}


def _lines(alerts: Sequence[Mapping[str, Any]], left_out: int) -> Iterator[str]:
    for each in alerts[:_MOST_LISTED]:
        values = {"what": _what(each), "title": each["title"], "text": each["text"]}
        yield "• " + _("%(what)s: %(title)s. %(text)s") % values
    more = len(alerts[_MOST_LISTED:]) + left_out
    if more:
        text = ngettext("%(count)d more is in the admin.", "%(count)d more are in the admin.", more)
        yield text % {"count": more}


def _local(since: str) -> str:
    moment = timezone.localtime(dt.datetime.fromisoformat(since))
    return f"{moment:%Y-%m-%d %H:%M:%S} ({timezone.get_current_timezone_name()})"


def _link(page: str = "") -> str:
    """The address of the admin's list of alerts, or of a page below it, for somebody who reads it
    elsewhere; empty if nothing says where the project is.

    Made of settings, not by ``reverse``: that would load the project's URLs, and with them admin
    and API, into every relay that tells an alert.
    """
    public = conf().alert_public_url.rstrip("/")
    admin = conf().alert_admin_path.strip("/")
    return f"{public}/{admin}/neural_monitoring/alert/{page}" if public else ""
