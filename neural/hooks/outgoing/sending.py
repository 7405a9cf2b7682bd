"""Sends one delivery: one attempt of the run that a relay requested for it.

The attempt is not repeated by chance: the message is sent outside of any transaction, and its
outcome recorded afterwards. A worker that is killed in between sends it again, with the same id.
"""

import datetime as dt
from typing import Any

from neural.encrypted import SecretUnreadable
from neural.errors import NeuralError, PermanentError
from neural.hooks.conf import conf
from neural.hooks.models import (
    Delivery,
    DeliveryState,
    PauseReason,
    Subscription,
    SubscriptionState,
)
from neural.hooks.models.outgoing import ANSWER_LENGTH
from neural.hooks.outgoing import circuit
from neural.hooks.outgoing.alerts import raise_alert
from neural.hooks.outgoing.messages import PayloadPruned, body_of, headers_of
from neural.ledger.work import Snooze
from neural.ledger.work_errors import storable
from neural.outbound.client import AddressRefused, HttpAnswer, NoAnswer, request
from neural.outbound.waiting import retry_after

GONE = 410
_ASKING_TO_WAIT = (429, 503)


class DeliveryFailed(NeuralError):
    """A receiver did not take a delivery. It is tried again."""


class DeliveryGivenUp(PermanentError):
    """A receiver did not take a delivery for so long that its subscription was paused."""


def deliver(*, delivery_id: int, task_id: str, now: dt.datetime) -> dict[str, Any]:
    """Try once to deliver, as the run ``task_id``; returns what was done.

    Raises :class:`DeliveryFailed` for a failed attempt, :class:`DeliveryGivenUp` for the last one,
    PayloadPruned, and ``Snooze`` if it is not its turn.
    """
    delivery = _found(delivery_id, task_id)
    if delivery is None:
        return {"delivered": False, "reason": "there is nothing to deliver for this run"}
    subscription = delivery.subscription
    if subscription.state == SubscriptionState.PAUSED:
        delivery.wait()
        return {"delivered": False, "reason": "the subscription is paused"}
    circuit.admit(subscription, now=now)
    delivery.begin(until=circuit.attempt_ends(now))
    try:
        answer = _send(delivery, subscription, now)
    except PayloadPruned as error:
        delivery.give_up(answer=str(error)[:ANSWER_LENGTH])
        raise
    except (NoAnswer, AddressRefused, SecretUnreadable) as error:
        raise _failed(delivery, str(error), now=now) from None
    return _judged(delivery, answer, now=now)


def _found(delivery_id: int, task_id: str) -> Delivery | None:
    """The delivery, if it is still for this run to send."""
    mine = Delivery.objects.select_related("subscription").defer("subscription__secrets")
    return mine.filter(pk=delivery_id, task_id=task_id, state=DeliveryState.PENDING).first()


def _send(delivery: Delivery, subscription: Subscription, now: dt.datetime) -> HttpAnswer:
    body = body_of(delivery)
    headers = headers_of(delivery, subscription, body, now=now)
    return request("POST", subscription.url, headers=headers, body=body)


def _judged(delivery: Delivery, answer: HttpAnswer, *, now: dt.datetime) -> dict[str, Any]:
    subscription = delivery.subscription
    if 200 <= answer.status < 300:
        delivery.succeed(status=answer.status, answer=shown(answer))
        circuit.note_success(subscription, seconds=answer.seconds)
        return {"delivered": True, "status": answer.status}
    if answer.status == GONE:
        delivery.fail(status=answer.status, answer=shown(answer))
        delivery.wait()
        _pause(subscription, PauseReason.GONE)
        return {"delivered": False, "reason": "the receiver answered 410 Gone"}
    told = f"HTTP {answer.status}"
    wait = _asked_to_wait(answer, now)
    raise _failed(delivery, told, now=now, answer=answer, wait=wait) from None


def _failed(
    delivery: Delivery,
    told: str,
    *,
    now: dt.datetime,
    answer: HttpAnswer | None = None,
    wait: dt.timedelta | None = None,
) -> Exception:
    """Record a failed attempt; returns the exception that ends it."""
    subscription = delivery.subscription
    answered: dict[str, Any] = {
        "status": answer.status if answer else None,
        "answer": shown(answer) if answer else told[:ANSWER_LENGTH],
    }
    delivery.fail(**answered)
    circuit.note_failure(subscription, now=now, not_before=now + wait if wait else None)
    if _failing_for(delivery, now) >= dt.timedelta(seconds=conf().hook_give_up_seconds):
        delivery.give_up()
        _pause(subscription, PauseReason.FAILING, error=told)
        return DeliveryGivenUp(f"{told}; given up, and the subscription paused")
    if wait:
        return Snooze(wait.total_seconds())
    return DeliveryFailed(told)


def _failing_for(delivery: Delivery, now: dt.datetime) -> dt.timedelta:
    """For how long this delivery has failed, or every delivery of its subscription."""
    since = [delivery.failing_since or now, delivery.subscription.failing_since or now]
    return now - min(since)


def _pause(subscription: Subscription, reason: PauseReason, **facts: object) -> None:
    if subscription.pause(reason):
        # Without the URL: it may have a token of the receiver's in it.
        about = {"subscription": subscription.pk, "name": subscription.name}
        raise_alert("webhook_paused", **about, reason=reason.value, **facts)


def _asked_to_wait(answer: HttpAnswer, now: dt.datetime) -> dt.timedelta | None:
    """How long a receiver asks us to wait, if its answer means that."""
    return retry_after(answer, now=now) if answer.status in _ASKING_TO_WAIT else None


def shown(answer: HttpAnswer) -> str:
    """The beginning of an answer's body, as it is kept."""
    return storable(answer.body.decode("utf-8", "replace"))[:ANSWER_LENGTH]
