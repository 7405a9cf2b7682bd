"""Sends a message: one attempt, by the run in the ledger or by a relay.

An attempt has three steps: take the message (a lease, by a conditional UPDATE: one wins), send it
outside of any transaction, record the outcome. Whoever is killed between the last two leaves a
message that was perhaps sent and is sent again when the lease is over, with the same id.
"""

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction

from neural.encrypted import SecretUnreadable
from neural.errors import NeuralError
from neural.ledger import dialects
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import RetryRequested, Snooze
from neural.ledger.work_errors import message_of, storable
from neural.models.run_log import pairs
from neural.monitoring.alerts.channels import email
from neural.monitoring.alerts.channels.base import Destination, Judgement, Message, Verdict
from neural.monitoring.alerts.channels.masking import masked
from neural.monitoring.alerts.channels.posting import HTTP_KINDS, post
from neural.monitoring.alerts.composing import compose
from neural.monitoring.alerts.telling import last_attempt, pause, tell_channel
from neural.monitoring.alerts.told import Told
from neural.monitoring.conf import conf
from neural.monitoring.models import (
    Alert,
    AlertChannel,
    AlertMessage,
    AlertMessageState,
    AlertState,
    ChannelKind,
)
from neural.monitoring.models.alerts import ANSWER_LENGTH, OVER

logger = logging.getLogger(__name__)

RETRIES = RetryPolicy(max_retries=None, base_seconds=5, cap_seconds=300)
"""Of a message: 5 seconds, doubling to 5 minutes, for as long as ``alert_give_up_seconds``."""
LEASE = dt.timedelta(seconds=60)
"""What an attempt takes at the very most: an SMTP server has five seconds for each answer."""
_LOOK_AGAIN = 5.0


class AlertNotSent(NeuralError):
    """A channel did not take a message. It is tried again."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A message that was taken for sending. It needs no database, so that any thread can send."""

    message: int
    """The primary key."""
    kind: str
    text: Callable[[], Message]
    """Composes what is sent."""
    destination: Destination = field(repr=False)
    hindrance: Judgement | None = None
    """Why it cannot be sent at all."""

    def perform(self, *, now: dt.datetime) -> Judgement:
        """Try to send, for some seconds at most; raises nothing. The outcome names no secret."""
        if self.hindrance:
            return self.hindrance
        destination = self.destination
        try:
            if self.kind == ChannelKind.EMAIL:
                judged = email.deliver(self.text(), destination, now=now)
            else:
                judged = post(HTTP_KINDS[self.kind], self.text(), destination, now=now)
        except Exception as error:  # noqa: BLE001 (its text may hold the secrets, which are masked below)
            told = f"{type(error).__name__}: {message_of(error)}"
            judged = Judgement(verdict=Verdict.LATER, code="error", answer=told)
        answer = " ".join(storable(masked(judged.answer, destination)).split())
        return Judgement(
            verdict=judged.verdict,
            code=judged.code,
            answer=answer[:ANSWER_LENGTH],
            wait_seconds=judged.wait_seconds,
        )


def send(*, message_id: str, now: dt.datetime) -> dict[str, Any]:
    """Try once to send a message, as its run; returns what was done.

    Raises :class:`RetryRequested` for a failed attempt, and ``Snooze`` if it is not its turn or the
    channel wants us to wait.
    """
    message = AlertMessage.objects.filter(message_id=message_id).first()
    if message is None or message.state != AlertMessageState.PENDING:
        return {"sent": False, "reason": "it was sent or given up before"}
    attempt = take(message, now=now)
    if attempt is None:
        raise Snooze(_seconds_to_wait(message, now))
    judged = attempt.perform(now=now)
    again = conclude(message.pk, judged, now=now)
    if again is None:
        return {"sent": judged.verdict is Verdict.SENT, "answer": str(judged)}
    if judged.wait_seconds:
        raise Snooze(again)
    raise RetryRequested(AlertNotSent(str(judged)), countdown=again)


def _seconds_to_wait(message: AlertMessage, now: dt.datetime) -> float:
    message.refresh_from_db()
    later = max(message.due_at, message.sending_until or message.due_at)
    return max((later - now).total_seconds(), _LOOK_AGAIN if later <= now else 0.1)


def take(message: AlertMessage, *, now: dt.datetime, lease: dt.timedelta = LEASE) -> Attempt | None:
    """Take a message for one attempt, or return None if another has it or it is not due.

    A message is put off if its rule had another one to this channel less than a minute ago, or if
    an earlier one is still to be sent: an all-clear must not come before its alert.
    """
    with transaction.atomic(using=dialects.ledger_connection().alias):
        if not AlertChannel(pk=message.channel_id).lock() or _is_put_off(message, now=now):
            return None
        if not message.begin(now=now, until=now + lease):
            return None
        message.refresh_from_db()  # its content was added to until now
        channel = AlertChannel.objects.defer("secrets").get(pk=message.channel_id)
    return attempt_of(message, channel)


def _is_put_off(message: AlertMessage, *, now: dt.datetime) -> bool:
    if not message.rule:
        return False
    others = AlertMessage.objects.filter(channel=message.channel_id, rule=message.rule)
    recent = others.exclude(pk=message.pk).order_by("-pk")[:2]
    nexts = [last_attempt(each) + pause() for each in recent if each.attempts]
    if earlier := others.pending().filter(pk__lt=message.pk).order_by("-pk").first():
        nexts.append(max(earlier.due_at, now) + pause())
    due_at = max(nexts, default=now)
    if due_at <= now:
        return False
    AlertMessage.objects.free(now).filter(pk=message.pk).update(due_at=due_at)
    return True


def attempt_of(message: AlertMessage, channel: AlertChannel) -> Attempt:
    """What is to be sent for a message that was taken, and where to."""
    hindrance = None
    destination = Destination()
    try:
        destination = destination_of(channel)
    except SecretUnreadable:
        hindrance = Judgement(verdict=Verdict.MISCONFIGURED, code="secret_unreadable")
    if message.rule and (channel.broken or not channel.enabled):
        why = "channel_broken" if channel.broken else "channel_off"
        hindrance = Judgement(verdict=Verdict.MISCONFIGURED, code=why)
    return Attempt(
        message=message.pk,
        kind=channel.kind,
        text=partial(compose, message, language=channel.language),
        destination=destination,
        hindrance=hindrance,
    )


def destination_of(channel: AlertChannel) -> Destination:
    """Where a channel's messages go. Raises SecretUnreadable."""
    held: Any = channel.secrets
    addresses = [each.strip() for each in channel.addresses.splitlines() if each.strip()]
    return Destination(url=held.get("url", ""), secret=held.get("secret", ""), addresses=addresses)


def conclude(message: int, judged: Judgement, *, now: dt.datetime) -> float | None:
    """Record the outcome of an attempt; returns after how many seconds to try again, if at all. A
    message whose channel was deleted meanwhile is gone, too."""
    rows = AlertMessage.objects.select_related("channel").defer("channel__secrets")
    row = rows.filter(pk=message).first()
    if row is None:
        return None
    answer = str(judged)
    _log(row, judged)
    if judged.verdict is Verdict.SENT:
        row.succeed(now=now, answer=answer)
        try_again(row.channel, now=now)
        return None
    if judged.verdict is Verdict.MISCONFIGURED:
        if judged.code not in ("channel_broken", "channel_off"):
            row.channel.mark_broken(answer)
        row.fail(answer=answer)
        return None
    if now - row.created_at >= dt.timedelta(seconds=conf().alert_give_up_seconds):
        row.fail(answer=answer)
        return None
    seconds = judged.wait_seconds or RETRIES.delay(max(row.attempts, 1))
    row.put_off(until=now + dt.timedelta(seconds=seconds), answer=answer)
    return seconds


def try_again(channel: AlertChannel, *, now: dt.datetime) -> bool:
    """Send to a broken channel again, also what holds now; returns whether it was broken."""
    with transaction.atomic():
        if not channel.mark_well():
            return False
        tell_what_holds(channel, now=now)
    return True


def tell_what_holds(channel: AlertChannel, *, now: dt.datetime) -> None:
    """Tell a channel that is new, or was broken or off, of the alerts that people were told of
    without it, if they still hold and nobody has taken them on: news of what is over would
    mislead."""
    if not AlertChannel.objects.receiving().filter(pk=channel.pk).exists():
        return
    firing = Alert.objects.filter(state=AlertState.FIRING).exclude(facts__has_key=OVER)
    told = list(firing.exclude(told_at=None).order_by("pk"))
    if not told:
        return
    since = min(each.since for each in told)
    sent = AlertMessage.objects.filter(channel=channel, created_at__gte=since)
    heard = [each.told_of for each in sent.exclude(state=AlertMessageState.FAILED)]
    news = [Told(each, "raised") for each in told if each.pk not in set().union(*heard)]
    tell_channel(channel, news, now=now)


def _log(message: AlertMessage, judged: Judgement) -> None:
    about = {"message": message.message_id, "channel": message.channel.name, "rule": message.rule}
    if judged.verdict is Verdict.SENT:
        logger.info("event=alert_sent %s", pairs(about))
    else:
        facts = {**about, "verdict": judged.verdict.value, "answer": str(judged)}
        logger.warning("event=alert_not_sent %s", pairs(facts))
