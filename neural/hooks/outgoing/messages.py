"""What is sent: the body of a delivery, and its headers, by Standard Webhooks 1.0.0.

The body is ``{"type": …, "timestamp": …, "data": …}``. ``timestamp`` is when it happened; the
header ``webhook-timestamp`` is when it is sent. The body of a delivery is always the same, because
events never change.
"""

import datetime as dt
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import TextField
from django.db.models.functions import Cast

from neural.errors import PermanentError
from neural.hooks.models import Delivery, Subscription
from neural.hooks.outgoing.secrets import secrets_in_force
from neural.models import NeuralEvent
from neural.outbound.signing import signatures

USER_AGENT = "Zhilian-Neural-Webhooks/1.0"


class PayloadPruned(PermanentError):
    """The payload of a delivery's event was deleted by age before it was delivered."""


def body_of(delivery: Delivery) -> bytes:
    """The body of a delivery. Raises :class:`PayloadPruned`."""
    if delivery.payload is None and delivery.event_id:
        return _event_body(delivery, delivery.event_id)
    return _body(delivery.type, delivery.created_at, _json(delivery.payload))


def _event_body(delivery: Delivery, event_id: int) -> bytes:
    """The body that tells an event. The payload is taken over as text: a number that is decoded and
    encoded again may lose digits."""
    events = NeuralEvent.objects.defer("payload").annotate(text=Cast("payload", TextField()))
    event: Any = events.get(pk=event_id)
    if event.text is None:
        raise PayloadPruned(f"the payload of {event} was pruned before it was delivered")
    about = {
        "store": event.store_id,
        "source": event.source,
        "event_id": event.event_id,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
    }
    data = f'{_json(about)[:-1]},"payload":{event.text}}}'
    return _body(event.type, event.occurred_at, data)


def _body(kind: str, moment: dt.datetime, data: str) -> bytes:
    return f'{{"type":{_json(kind)},"timestamp":{_json(moment)},"data":{data}}}'.encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), cls=DjangoJSONEncoder)


def headers_of(
    delivery: Delivery, subscription: Subscription, body: bytes, *, now: dt.datetime
) -> dict[str, str]:
    """The headers of one attempt, signed with every secret in force."""
    timestamp = int(now.timestamp())
    secrets = secrets_in_force(subscription, now=now)
    signed = signatures(secrets, message_id=delivery.message_id, timestamp=timestamp, body=body)
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }
