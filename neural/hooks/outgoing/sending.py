"""Sends one delivery: one attempt of the run that a relay requested for it.

A circuit keeps a receiver that fails or is slow from holding the workers, and from being hammered.
After :data:`FAILURES` failures in a row the whole subscription waits, with the backoff of a run;
then one delivery is tried, and the others wait for its outcome. One that is slow sends one delivery
at a time. So a receiver that takes fifteen seconds to time out costs one process fifteen seconds,
less and less often, however many deliveries wait for it. Every change is one conditional UPDATE, so
several workers need no lock.
"""

import datetime as dt
import logging
import random
from typing import Any

from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce, Now

from neural.hooks.conf import conf
from neural.hooks.models import (
    Delivery,
    DeliveryState,
    PauseReason,
    Subscription,
    SubscriptionState,
)
from neural.hooks.outgoing.messages import PayloadPruned, request_of
from neural.kit.encrypted import SecretUnreadable
from neural.kit.errors import NeuralError, PermanentError
from neural.kit.outbound.answers import GONE, Answer, Verdict, by_status
from neural.kit.outbound.conf import conf as outbound_conf
from neural.kit.outbound.outbox import post
from neural.kit.storable import storable
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Snooze
from neural.runs.models.run_log import pairs

logger = logging.getLogger(__name__)

FAILURES = 3
SLOW_SECONDS = 2
"""An answer that takes longer is slow."""
RETRIES = RetryPolicy(max_retries=None, base_seconds=5, cap_seconds=4 * 3600)
"""Of a delivery: 5 seconds, doubling to 4 hours, and for as long as ``hook_give_up_seconds``."""
_MARGIN = dt.timedelta(seconds=15)
"""What an attempt may take beyond its request."""
_SHORTEST_SNOOZE = 1.0
_MOST_JITTER = 30.0


class DeliveryFailed(NeuralError):
    """A receiver did not take a delivery. It is tried again."""


class DeliveryGivenUp(PermanentError):
    """A receiver did not take a delivery for so long that its subscription was paused."""


def deliver(*, delivery_id: int, task_id: str, now: dt.datetime) -> dict[str, Any]:
    """Try once to deliver, as the run ``task_id``; returns what was done.

    Raises :class:`DeliveryFailed` for a failed attempt, :class:`DeliveryGivenUp` for the last one,
    PayloadPruned, and ``Snooze`` if it is not its turn.
    """
    mine = Delivery.objects.select_related("subscription").defer("subscription__secrets")
    delivery = mine.filter(pk=delivery_id, task_id=task_id, state=DeliveryState.PENDING).first()
    if delivery is None:
        return {"delivered": False, "reason": "there is nothing to deliver for this run"}
    if delivery.subscription.state == SubscriptionState.PAUSED:
        delivery.wait()
        return {"delivered": False, "reason": "the subscription is paused"}
    admit(delivery.subscription, now=now)
    delivery.begin(now=now, until=attempt_ends(now))
    try:
        answer = post(request_of(delivery, now=now), by_status, now=now)
    except PayloadPruned as error:
        delivery.conclude(state=DeliveryState.FAILED, answer=str(error))
        raise
    except SecretUnreadable as error:
        answer = Answer(Verdict.LATER, "secret_unreadable", str(error))
    return _ended(delivery, answer, now=now)


def _ended(delivery: Delivery, answer: Answer, *, now: dt.datetime) -> dict[str, Any]:
    """Record the outcome of an attempt, of the delivery and of its subscription."""
    subscription, status = delivery.subscription, answer.status
    answered = {"answer_status": status, "answer": storable(answer.text)}
    if answer.verdict is Verdict.SENT:
        delivery.succeed(**answered)
        note_success(subscription, seconds=answer.seconds)
        return {"delivered": True, "status": status}
    delivery.fail(**answered)
    if status == GONE:
        delivery.wait()
        _pause(subscription, PauseReason.GONE)
        return {"delivered": False, "reason": "the receiver answered 410 Gone"}
    text = f"HTTP {status}" if status else answer.text
    wait = answer.wait_seconds
    note_failure(
        subscription, now=now, not_before=now + dt.timedelta(seconds=wait) if wait else None
    )
    # How long this delivery has failed, or every delivery of its subscription.
    since = [delivery.failing_since or now, delivery.subscription.failing_since or now]
    if now - min(since) >= dt.timedelta(seconds=conf().hook_give_up_seconds):
        delivery.conclude(state=DeliveryState.FAILED)
        _pause(subscription, PauseReason.FAILING, error=text)
        raise DeliveryGivenUp(f"{text}; given up, and the subscription paused")
    raise Snooze(wait) if wait else DeliveryFailed(text)


def _pause(subscription: Subscription, reason: PauseReason, **facts: object) -> None:
    if subscription.pause(reason):
        # Without the URL: it may have a token of the receiver's in it.
        named = {"subscription": subscription.pk, "name": subscription.name, "reason": reason.value}
        logger.error("event=alert alert=webhook_paused %s", pairs({**named, **facts}))


# The circuit


def attempt_ends(now: dt.datetime) -> dt.datetime:
    """When an attempt that begins now is over at the latest, however it ends."""
    return now + dt.timedelta(seconds=outbound_conf().outbound_timeout_seconds) + _MARGIN


def places_of(subscription: Subscription) -> int:
    """How many deliveries of a subscription may be sent at the same time."""
    return 1 if subscription.failures or subscription.slow else conf().hook_concurrency


def admit(subscription: Subscription, *, now: dt.datetime) -> None:
    """Return if a delivery may be sent now; raise ``Snooze`` if it must wait for its turn."""
    if subscription.retry_at and now < subscription.retry_at:
        raise _snoozed((subscription.retry_at - now).total_seconds())
    if subscription.failures >= FAILURES:
        # Of all that come at this time, one takes the trial: the next time is the end of it.
        this_time = Subscription.objects.filter(pk=subscription.pk, retry_at=subscription.retry_at)
        if not this_time.update(retry_at=attempt_ends(now)):
            raise _snoozed(RETRIES.base_seconds)
        return
    sending = Delivery.objects.filter(subscription=subscription.pk, sending_until__gt=now)
    if sending.count() >= places_of(subscription):
        raise _snoozed(SLOW_SECONDS if subscription.slow else _SHORTEST_SNOOZE)


def _snoozed(seconds: float) -> Snooze:
    """A snooze of some random seconds more, so that those that wait do not all come at once."""
    seconds = max(seconds, _SHORTEST_SNOOZE)
    return Snooze(seconds + random.uniform(0, min(seconds / 2, _MOST_JITTER)))


def note_success(subscription: Subscription, *, seconds: float) -> None:
    """Note that a receiver took a delivery, and in how many seconds. Writes only what changes:
    deliveries to one receiver would wait for each other's writes."""
    slow = seconds > SLOW_SECONDS
    mine = Subscription.objects.filter(pk=subscription.pk)
    if subscription.failures or subscription.failing_since or subscription.retry_at:
        mine.update(failures=0, failing_since=None, retry_at=None, slow=slow)
        subscription.deliveries.requested().make_due()  # they may have hours to wait
    elif subscription.slow != slow:
        mine.update(slow=slow)


def note_failure(
    subscription: Subscription, *, now: dt.datetime, not_before: dt.datetime | None = None
) -> None:
    """Note that a delivery failed. ``not_before`` is when the receiver wants to be called again, if
    it has said so."""
    failures = subscription.failures + 1
    if not_before is None and failures >= FAILURES:
        # The first of these is retried as a run would be that has failed once.
        not_before = now + dt.timedelta(seconds=RETRIES.delay(failures - FAILURES + 1))
    changes: dict[str, Any] = {
        "failures": F("failures") + 1,
        "failing_since": Coalesce("failing_since", Now()),
    }
    if not_before is not None:
        # A time beyond any trial's end was said of another delivery, which was sent side by side.
        later = When(retry_at__gt=max(not_before, attempt_ends(now)), then=F("retry_at"))
        changes["retry_at"] = Case(later, default=Value(not_before))
    Subscription.objects.filter(pk=subscription.pk).update(**changes)
