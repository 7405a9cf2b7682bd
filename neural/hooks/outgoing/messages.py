"""What is sent: a request by Standard Webhooks 1.0.0, and the secrets that sign it.

The body is ``{"type": …, "timestamp": …, "data": …}``. ``timestamp`` is when it happened; the
header ``webhook-timestamp`` is when it is sent. The body of a delivery is always the same, because
events never change.

A subscription has a secret, and the one before it while the receiver changes over. Each is returned
once, when it is made, to be shown to the person who made it. Afterwards it is only in the database,
encrypted.
"""

import datetime as dt
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import TextField
from django.db.models.functions import Cast

from neural.hooks.models import Delivery, Subscription
from neural.kit.errors import PermanentError
from neural.kit.outbound import signing
from neural.kit.outbound.answers import Post
from neural.models import NeuralEvent

USER_AGENT = "Zhilian-Neural-Webhooks/1.0"
OVERLAP = dt.timedelta(hours=24)
"""For how long messages are signed with the former secret, too."""


class PayloadPruned(PermanentError):
    """The payload of a delivery's event was deleted by age before it was delivered."""


def request_of(delivery: Delivery, *, now: dt.datetime) -> Post:
    """The request of one attempt, signed with every secret in force. Raises
    :class:`PayloadPruned`, and SecretUnreadable."""
    body = body_of(delivery)
    headers = signing.headers(
        secrets_in_force(delivery.subscription, now=now),
        message_id=delivery.message_id,
        body=body,
        user_agent=USER_AGENT,
        now=now,
    )
    return Post(url=delivery.subscription.url, headers=headers, body=body)


def body_of(delivery: Delivery) -> bytes:
    """The body of a delivery. Raises :class:`PayloadPruned`."""
    if delivery.payload is None and delivery.event_id:
        # As text: a number that is decoded and encoded again may lose digits.
        events = NeuralEvent.objects.defer("payload").annotate(text=Cast("payload", TextField()))
        event: Any = events.get(pk=delivery.event_id)
        if event.text is None:
            raise PayloadPruned(f"the payload of {event} was pruned before it was delivered")
        facts = {
            "store": event.store_id,
            "source": event.source,
            "event_id": event.event_id,
            "occurred_at": event.occurred_at,
            "recorded_at": event.recorded_at,
        }
        data = f'{_json(facts)[:-1]},"payload":{event.text}}}'
        return _body(event.type, event.occurred_at, data)
    return _body(delivery.type, delivery.created_at, _json(delivery.payload))


def _body(kind: str, moment: dt.datetime, data: str) -> bytes:
    return f'{{"type":{_json(kind)},"timestamp":{_json(moment)},"data":{data}}}'.encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), cls=DjangoJSONEncoder)


def rotate_secret(subscription: Subscription, *, now: dt.datetime) -> str:
    """Give a saved subscription a new secret, and return it. The one before it signs, too, until
    :data:`OVERLAP` has passed; one before that no longer."""
    secret = signing.new_secret()
    former = [each | {"until": (now + OVERLAP).isoformat()} for each in _stored(subscription)[:1]]
    stored: Any = [{"secret": secret, "until": None}, *former]
    subscription.secrets = stored
    Subscription.objects.filter(pk=subscription.pk).update(secrets=stored)
    return secret


def secrets_in_force(subscription: Subscription, *, now: dt.datetime) -> list[str]:
    """The secrets that sign a message now, the newest first."""
    return [
        each["secret"]
        for each in _stored(subscription)
        if each["until"] is None or now < dt.datetime.fromisoformat(each["until"])
    ]


def _stored(subscription: Any) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = subscription.secrets
    return stored
