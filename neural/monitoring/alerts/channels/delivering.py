"""Sends a message by the kind of its channel, for some seconds at most, and judges the answer.

Neither a request nor an error of it may be logged as it is: the address contains a robot's key.
"""

import datetime as dt
import hashlib
import logging
import smtplib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from neural.kit.outbound.answers import Answer, Verdict
from neural.kit.outbound.outbox import post
from neural.monitoring.alerts.channels.base import TIMEOUT_SECONDS, Destination, HttpKind, Message
from neural.monitoring.alerts.channels.fitting import one_line, plain
from neural.monitoring.alerts.channels.robots import DingTalkRobot, FeishuRobot, WeComRobot
from neural.monitoring.alerts.channels.webhook import Webhook
from neural.monitoring.conf import conf
from neural.monitoring.models import ChannelKind

HTTP_KINDS: Mapping[str, HttpKind] = {
    ChannelKind.WEBHOOK: Webhook(),
    ChannelKind.WECOM: WeComRobot(),
    ChannelKind.DINGTALK: DingTalkRobot(),
    ChannelKind.FEISHU: FeishuRobot(),
}
_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_APPRISE_OPTIONS: Mapping[str, tuple[str, object]] = {
    "cto": ("socket_connect_timeout", 4.0),
    "rto": ("socket_read_timeout", 4.0),
    "verify": ("verify_certificate", True),
}
_PERMANENT = 500
"""SMTP's codes from here on are permanent (RFC 5321, 4.2.1)."""


def deliver(kind: str, message: Message, destination: Destination, *, now: dt.datetime) -> Answer:
    """Try once to send a message to a channel of this kind."""
    if kind == ChannelKind.EMAIL:
        return _send_email(message, destination)
    if not destination.url:
        return Answer(Verdict.MISCONFIGURED, "no_address")
    if kind == ChannelKind.APPRISE:
        return _send_by_apprise(message, destination)
    http = HTTP_KINDS[kind]
    built = http.build(message, destination, now=now)
    return post(built, http.judge, now=now, timeout=TIMEOUT_SECONDS)


def _send_email(message: Message, destination: Destination) -> Answer:
    """Send the message to all addresses, as one e-mail, by Django's settings."""
    if not destination.addresses:
        return Answer(Verdict.MISCONFIGURED, "no_address")
    if lacking := lacking_settings():
        return Answer(Verdict.MISCONFIGURED, "mail_not_set_up", ", ".join(lacking))
    try:
        mail = email_of(message, destination)
        mail.connection = get_connection(timeout=TIMEOUT_SECONDS)
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return _refused(min(codes, default=_PERMANENT), "every address was refused")
    except smtplib.SMTPAuthenticationError as error:
        return _refused(max(error.smtp_code, _PERMANENT), error.smtp_error)
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Verdict.LATER, "no_answer", type(error).__name__)
    return Answer(Verdict.SENT, "sent")


def _send_by_apprise(message: Message, destination: Destination) -> Answer:
    """Send it to one of the services that Apprise knows, which tells no more than whether it was
    taken. Each of its requests waits four seconds at most for a connection, and for an answer."""
    service, why = apprise_service(destination.url)
    if why:
        return Answer(Verdict.MISCONFIGURED, why)
    link = f"{message.link_text}: {message.link}" if message.link else ""
    kind = "failure" if message.is_critical else "warning"
    taken = service.notify(
        title=one_line(message.title),
        body="\n".join(plain(line) for line in (*message.lines, link) if line),
        notify_type="success" if message.is_all_clear else kind,
    )
    return Answer(Verdict.SENT, "sent") if taken else Answer(Verdict.LATER, "not_taken")


def apprise_service(url: str) -> tuple[Any, str]:
    """What Apprise makes of an address; else None and why, as a code: it is not installed, does not
    know the address, or may not use its scheme."""
    try:
        import apprise
    except ImportError:
        return None, "not_installed"
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines name addresses
    if apprise_scheme(url) not in conf().alert_apprise_schemes.replace(" ", "").split(","):
        return None, "scheme_refused"
    service = apprise.Apprise.instantiate(url)
    if not service:
        return None, "address_unknown"
    for name, ours in _APPRISE_OPTIONS.values():  # also of an address that was kept before
        setattr(service, name, ours)
    return service, ""


def apprise_options_of_ours(url: str) -> str:
    """The options of an address that only we set: for how long it is waited, and TLS."""
    query = url.partition("?")[2].lower().replace("?", "&")
    return ", ".join(sorted(_APPRISE_OPTIONS.keys() & dict(parse_qsl(query, True)).keys()))


def apprise_scheme(url: str) -> str:
    """The scheme of an address, which names the service. The rest, its host too, may be a key."""
    return url.partition("://")[0].strip().lower()


def _refused(code: int, answer: bytes | str) -> Answer:
    verdict = Verdict.MISCONFIGURED if code >= _PERMANENT else Verdict.LATER
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return Answer(verdict, f"SMTP {code}", text)


def lacking_settings() -> list[str]:
    """The settings without which Django would send to a server on this machine, or in the name of
    webmaster@localhost, which hardly anybody accepts. Other ways than SMTP have their own."""
    given: Any = settings
    if given.EMAIL_BACKEND != _SMTP:
        return []
    needed = ("EMAIL_HOST", "DEFAULT_FROM_EMAIL")
    return [name for name in needed if not given.is_overridden(name)]


def email_of(message: Message, destination: Destination) -> EmailMessage:
    """The e-mail. ``Auto-Submitted`` (RFC 3834) keeps programs from answering it; one
    ``References`` for a rule and subject has e-mail programs show its messages together."""
    sender = settings.DEFAULT_FROM_EMAIL
    domain = sender.rpartition("@")[2].strip("<> ") or "localhost"
    thread = hashlib.sha256(message.thread.encode()).hexdigest()[:24]
    lines = [plain(message.title), "", *(plain(line) for line in message.lines)]
    if message.link:
        lines += ["", f"{message.link_text}: {message.link}"]
    return EmailMessage(
        subject=one_line(message.title),
        body="\n".join(lines) + "\n",
        from_email=sender,
        to=list(destination.addresses),
        headers={
            "Auto-Submitted": "auto-generated",
            "Message-ID": f"<{message.message_id}@{domain}>",
            "References": f"<alert.{thread}@{domain}>",
        },
    )
