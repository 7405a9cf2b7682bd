"""kombu's Redis transport, such that neither an outage nor any entry of a list ends a worker.

``neural.broker.patches`` registers it for the addresses that name Redis.

**The broker is lost.** ``Channel._connparams`` is called on a channel whose connection has been
closed. It fails with ``AttributeError: 'NoneType' object has no attribute 'hostname'``, which no
caller expects (15 of 16 measured stops ended the worker; celery/kombu#582). Here it raises a
ConnectionError instead. The worker's own reconnect loop (``Consumer.start``) handles that.

**The broker refuses writes.** A server that is full (OOM), cannot write its file (MISCONF), has
become a replica (READONLY, UNBLOCKED) or lacks replicas (NOREPLICAS) answers with
``redis.ResponseError``. ``get_redis_error_classes`` counts that as a channel error, after which
``Consumer.start`` does not continue (celery/celery#5716 for a full server, #7946 for a replica).
Here it is a connection error.

**Full, while connected.** BRPOP still works, and only the note that the message
was taken (``QoS.append``) is refused. The worker processes the message nevertheless: it is out of
Redis already, and taking messages is what frees the memory.

**An acknowledgement fails** (``QoS.ack``, ``QoS.reject``). Its message then still counts as being
processed. After as many such failures as the worker has slots, the worker takes no more messages
and does not even notice that its connection is lost: it hangs silently (celery/celery#10302 has the
symptom and names no cause). Here the slot is freed. Redis still has the message noted as taken, and
delivers it again after ``visibility_timeout``.

**An entry is no message.** kombu trusts what it takes from a list. Text that is not JSON, an entry
without properties, or a body that is not base64 raise in the worker's loop, which ends the worker
(celery/celery#7975; celery/kombu#2421 is the same in its transport for SQS). If an entry makes no
valid message, a message that says so is made instead. It takes the usual way to the place where
messages are refused (``message_validation``). Reading the text is a function of kombu's module and
no method, so that one is replaced.
"""

import logging
import uuid
from typing import Any

from kombu.transport import redis, virtual
from redis.exceptions import ResponseError

from neural.broker.envelopes import REFUSED_HEADER, is_flat, printable, refusal, sketch, survives
from neural.broker.patches import Method, Seldom, replace
from neural.runs.models.run_log import pairs

logger = logging.getLogger(__name__)

_PLACES = ("exchange", "routing_key")
_seldom = Seldom()


class UnreadableEntry(ValueError):
    """Text taken from a list is not JSON."""


class QoS(redis.QoS):
    """Which messages are being processed."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note that a message was taken. One that a full server does not note is processed."""
        try:
            super().append(message, delivery_tag)
        except ResponseError as error:
            virtual.QoS.append(self, message, delivery_tag)
            if _seldom.may_speak():
                logger.warning("event=message_not_noted reason=%r", str(error))

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; its slot is free even if this fails."""
        try:
            super().ack(delivery_tag)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject a message; its slot is free even if this fails."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise


class SoundMessage(virtual.Message):
    """A message that can be made of every entry."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            super().__init__(sound_entry(payload), channel=channel, **options)
        except Exception as error:  # noqa: BLE001 (a body that is not what its encoding says)
            reason = f"its body cannot be read: {type(error).__name__}: {error}"
            super().__init__(refused_entry(payload, reason), channel=channel, **options)


class Surviving:
    """What both kinds of channels have."""

    QoS: Any = QoS
    Message: Any = SoundMessage
    connection: Any

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the broker is gone")
        return super()._connparams(asynchronous)  # type: ignore[misc]

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (UnreadableEntry, UnicodeDecodeError) as error:  # the entry is off the list already
            facts = {"reason": "an entry that is no JSON", "content": printable(str(error), 300)}
            logger.error("event=message_refused %s", pairs(facts))
            return True


class Channel(Surviving, redis.Channel):
    """A channel to one server."""


class SentinelChannel(Surviving, redis.SentinelChannel):
    """A channel to the server that Sentinel names."""


class Transport(redis.Transport):
    """Redis or Valkey."""

    Channel = Channel
    connection_errors = (*redis.Transport.connection_errors, ResponseError)


class SentinelTransport(redis.SentinelTransport):
    """Redis or Valkey behind Sentinel."""

    Channel = SentinelChannel
    connection_errors = Transport.connection_errors


def sound_entry(entry: Any) -> dict[str, Any]:
    """The entry, or a substitute that says what is wrong if no message can be made of it."""
    reason = _wrong_with(entry)
    if reason:
        return refused_entry(entry, reason)
    # kombu marks a message that is sent back in its headers, so there must be some.
    return entry if entry.get("headers") else {**entry, "headers": {}}


def refused_entry(entry: Any, reason: str) -> dict[str, Any]:
    """A substitute for an entry of which no message can be made."""
    headers, properties = _part(entry, "headers"), _part(entry, "properties")
    delivery, tag = _part(properties, "delivery_info"), properties.get("delivery_tag")
    named = {name: headers[name] for name in ("id", "task") if isinstance(headers.get(name), str)}
    place = {name: delivery.get(name) for name in _PLACES}
    return {
        "body": "[[], {}, {}]",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": named | {REFUSED_HEADER: refusal(reason=reason, content=entry)},
        "properties": {
            "delivery_tag": tag if _is_name(tag) else str(uuid.uuid4()),
            "delivery_info": {
                name: value if isinstance(value, str) else "" for name, value in place.items()
            },
        },
    }


def _wrong_with(entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"it is of type {type(entry).__name__} and no message"
    properties = entry.get("properties")
    if not isinstance(properties, dict) or not _is_name(properties.get("delivery_tag")):
        return "it has no properties with a delivery_tag"
    delivery = properties.get("delivery_info")
    if not isinstance(delivery, dict) or not all(
        isinstance(delivery.get(name), str) for name in _PLACES
    ):
        return "its delivery_info names no exchange and routing_key"
    headers = entry.get("headers") or {}
    if not isinstance(headers, dict):
        return "its headers are no object"
    if not isinstance(entry.get("body") or "", str):
        return "its body is no text"
    parts = (headers, properties)
    return "" if is_flat(parts, 6) or survives(parts) else "its headers are nested too deep"


def _part(whole: Any, name: str) -> dict[str, Any]:
    part = whole.get(name) if isinstance(whole, dict) else None
    return part if isinstance(part, dict) else {}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _reading(original: Method) -> Method:
    def loads(text: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return original(text, *arguments, **options)
        except Exception as error:
            raise UnreadableEntry(f"{type(error).__name__}: {sketch(text)}") from error

    return loads


replace(redis, "loads", _reading)
