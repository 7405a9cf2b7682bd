"""Sends messages about alerts: each by its run in the ledger, or by a relay if that comes too late.

A relay sends what nobody has sent in time: the broker is down, no worker reads the queue, or the
run was cancelled. Its own thread takes messages and records outcomes; only the requests are made in
a thread of their own, which has no database connection. So a slow chat service stalls no heartbeat,
and a fork copies no connection of SQLite in the middle of a statement.
"""

import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.kit.encrypted import SecretUnreadable
from neural.kit.errors import NeuralError
from neural.kit.outbound.answers import Answer, Verdict
from neural.kit.outbound.outbox import ANSWER_LENGTH
from neural.kit.storable import storable
from neural.ledger import dialects
from neural.ledger.clock import database_clock
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import RetryRequested, Snooze
from neural.ledger.work_errors import message_of
from neural.monitoring.alerts.channels.base import Destination, Message, masked
from neural.monitoring.alerts.channels.delivering import deliver
from neural.monitoring.alerts.composing import compose
from neural.monitoring.alerts.news import last_attempt, pause, tell_what_holds
from neural.monitoring.conf import conf
from neural.monitoring.models import AlertChannel, AlertMessage, AlertMessageState
from neural.runs.models.run_log import pairs

logger = logging.getLogger(__name__)

RETRIES = RetryPolicy(max_retries=None, base_seconds=5, cap_seconds=300)
"""Of a message: 5 seconds, doubling to 5 minutes, for as long as ``alert_give_up_seconds``."""
LEASE = dt.timedelta(seconds=60)
"""What an attempt takes at the very most: an SMTP server has five seconds for each answer."""
_LOOK_AGAIN = 5.0
EVERY_SECONDS = 5
MOST_AT_ONCE = 3
RELAY_LEASE = dt.timedelta(seconds=180)
"""What :data:`MOST_AT_ONCE` attempts take at the very most, one after the other."""
FORK_PATIENCE_SECONDS = 2


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
    hindrance: str = ""
    """Why it cannot be sent at all."""

    def perform(self, *, now: dt.datetime) -> Answer:
        """Try to send, for some seconds at most; raises nothing. The outcome names no secret."""
        if self.hindrance:
            return Answer(Verdict.MISCONFIGURED, self.hindrance)
        try:
            answer = deliver(self.kind, self.text(), self.destination, now=now)
        except Exception as error:  # noqa: BLE001 (its text may hold the secrets, which are masked below)
            text = f"{type(error).__name__}: {message_of(error)}"
            answer = Answer(Verdict.LATER, "error", text)
        text = " ".join(storable(masked(answer.text, self.destination)).split())
        return replace(answer, text=text[:ANSWER_LENGTH])


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
    answer = attempt.perform(now=now)
    again = conclude(message.pk, answer, now=now)
    if again is None:
        return {"sent": answer.verdict is Verdict.SENT, "answer": str(answer)}
    if answer.wait_seconds:
        raise Snooze(again)
    raise RetryRequested(AlertNotSent(str(answer)), countdown=again)


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
        if not message.take(now=now, until=now + lease):
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
    hindrance = ""
    destination = Destination()
    try:
        stored: Any = channel.secrets
        destination = Destination(
            url=stored.get("url", ""),
            secret=stored.get("secret", ""),
            addresses=[each.strip() for each in channel.addresses.splitlines() if each.strip()],
        )
    except SecretUnreadable:
        hindrance = "secret_unreadable"
    if message.rule and (channel.broken or not channel.enabled):
        hindrance = "channel_broken" if channel.broken else "channel_off"
    return Attempt(
        message=message.pk,
        kind=channel.kind,
        text=partial(compose, message, language=channel.language),
        destination=destination,
        hindrance=hindrance,
    )


def conclude(message: int, answer: Answer, *, now: dt.datetime) -> float | None:
    """Record the outcome of an attempt; returns after how many seconds to try again, if at all. A
    message whose channel was deleted meanwhile is gone, too."""
    rows = AlertMessage.objects.select_related("channel").defer("channel__secrets")
    row = rows.filter(pk=message).first()
    if row is None:
        return None
    _log(row, answer)
    if answer.verdict is Verdict.SENT:
        row.conclude(state=AlertMessageState.SENT, answer=str(answer), sent_at=now)
        try_again(row.channel, now=now)
        return None
    is_wrong = answer.verdict is Verdict.MISCONFIGURED
    if is_wrong and answer.code not in ("channel_broken", "channel_off"):
        row.channel.mark_broken(str(answer))
    give_up = dt.timedelta(seconds=conf().alert_give_up_seconds)
    if is_wrong or now - row.created_at >= give_up:
        row.conclude(state=AlertMessageState.FAILED, answer=str(answer))
        return None
    seconds = answer.wait_seconds or RETRIES.delay(max(row.attempts, 1))
    row.conclude(due_at=now + dt.timedelta(seconds=seconds), answer=str(answer))
    return seconds


def _log(message: AlertMessage, answer: Answer) -> None:
    facts = {"message": message.message_id, "channel": message.channel.name, "rule": message.rule}
    if answer.verdict is Verdict.SENT:
        logger.info("event=alert_sent %s", pairs(facts))
    else:
        facts |= {"verdict": answer.verdict.value, "answer": str(answer)}
        logger.warning("event=alert_not_sent %s", pairs(facts))


def try_again(channel: AlertChannel, *, now: dt.datetime) -> bool:
    """Send to a broken channel again, also what holds now; returns whether it was broken."""
    with transaction.atomic():
        if not channel.mark_well():
            return False
        tell_what_holds(channel, now=now)
    return True


def send_test(channel: AlertChannel, *, by: str, now: dt.datetime) -> Answer:
    """Send a test message to a channel, be it off or broken, and return the outcome: one attempt at
    once, which takes some seconds at most, and belongs outside of any transaction.

    A success marks a broken channel well, and a refusal for a wrong setting marks it broken.
    """
    message = AlertMessage.objects.create(
        channel=channel, content={"test_by": by}, created_at=now, due_at=now
    )
    message.take(now=now, until=now + LEASE)
    answer = attempt_of(message, channel).perform(now=now)
    if conclude(message.pk, answer, now=now) is not None:  # nobody waits for a later attempt
        message.conclude(state=AlertMessageState.FAILED, answer=str(answer))
    return answer


# By a relay


class Sender:
    """Sends in a thread of its own; there is at most one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._done: list[tuple[int, Answer]] = []
        self._next = float("-inf")

    def turn(self) -> None:
        """Record what was sent meanwhile; every few seconds, look for messages that are late."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            while self._done:  # those that cannot be recorded stay for the next turn
                conclude(*self._done[0], now=database_clock())
                self._done.pop(0)
            self._thread = None
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        if attempts := _taken():
            send_all = partial(self._send, attempts)
            self._thread = threading.Thread(target=send_all, name="neural-alerts", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until nothing is being sent, for so many seconds at most."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _send(self, attempts: Sequence[Attempt]) -> None:
        for each in attempts:
            now = dt.datetime.now(dt.UTC)  # for the signature; the database is not asked here
            self._done.append((each.message, each.perform(now=now)))


def _taken() -> list[Attempt]:
    late = Now() - dt.timedelta(seconds=conf().alert_relay_after_seconds)
    found = AlertMessage.objects.free(Now()).filter(due_at__lte=late).order_by("due_at")
    attempts = (
        take(each, now=database_clock(), lease=RELAY_LEASE) for each in found[:MOST_AT_ONCE]
    )
    return [each for each in attempts if each is not None]


_sender = Sender()


def send_late_messages() -> None:
    """The duty of relays."""
    _sender.turn()


def _start_afresh() -> None:
    global _sender
    _sender = Sender()  # the thread stays with the parent


# A request in progress shall not be copied into the child with whatever lock it holds.
os.register_at_fork(
    before=lambda: _sender.wait(FORK_PATIENCE_SECONDS), after_in_child=_start_afresh
)
