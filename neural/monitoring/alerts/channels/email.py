"""E-mail, by Django's settings."""

import datetime as dt
import hashlib
import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from neural.monitoring.alerts.channels.base import (
    TIMEOUT_SECONDS,
    Destination,
    Judgement,
    Message,
    Verdict,
)
from neural.monitoring.alerts.channels.fitting import one_line, plain

_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_PERMANENT = 500
"""SMTP's codes from here on are permanent (RFC 5321, 4.2.1)."""


def deliver(message: Message, destination: Destination, *, now: dt.datetime) -> Judgement:
    """Send the message to all addresses, as one e-mail."""
    if not destination.addresses:
        return Judgement(verdict=Verdict.MISCONFIGURED, code="no_address")
    if lacking := lacking_settings():
        return Judgement(
            verdict=Verdict.MISCONFIGURED, code="mail_not_set_up", answer=", ".join(lacking)
        )
    try:
        mail = email_of(message, destination)
        mail.connection = get_connection(timeout=TIMEOUT_SECONDS)
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return _refused(min(codes, default=_PERMANENT), "every address was refused")
    except smtplib.SMTPAuthenticationError as error:
        return _refused(max(error.smtp_code, _PERMANENT), _text(error.smtp_error))
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, _text(error.smtp_error))
    except (OSError, smtplib.SMTPException) as error:
        return Judgement(verdict=Verdict.LATER, code="no_answer", answer=type(error).__name__)
    return Judgement(verdict=Verdict.SENT, code="sent")


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


def _refused(code: int, answer: str) -> Judgement:
    verdict = Verdict.MISCONFIGURED if code >= _PERMANENT else Verdict.LATER
    return Judgement(verdict=verdict, code=f"SMTP {code}", answer=answer)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
