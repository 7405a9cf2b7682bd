"""Makes a valid message of every entry of a Redis list, so that no entry ends a worker.

kombu 5.7.0 trusts what it takes from a list. Text that is not JSON, an entry without properties, or
a body that is not base64 raise in the worker's loop (``Channel._brpop_read`` of its Redis transport
and ``virtual.Message``), which ends the worker (celery/celery#7975; celery/kombu#2421 is the same
in its transport for SQS). ``neural.broker.patches`` guards the version. If an entry makes no valid
message, a message that says so is made instead. It takes the usual way to the place where messages
are refused (``message_validation``). ``tests/integration/test_hostile_messages.py`` tests this.
"""

import logging
import uuid
from typing import Any

from kombu.transport import virtual

from neural.broker.envelopes import REFUSED_HEADER, is_flat, refusal, shown, survives
from neural.broker.patches import Method, patch_redis, replace
from neural.models.run_log import pairs

logger = logging.getLogger(__name__)

_PLACES = ("exchange", "routing_key")


class UnreadableEntry(ValueError):
    """Text taken from a list is not JSON."""


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
    said = {name: headers[name] for name in ("id", "task") if isinstance(headers.get(name), str)}
    place = {name: delivery.get(name) for name in _PLACES}
    return {
        "body": "[[], {}, {}]",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": said | {REFUSED_HEADER: refusal(reason=reason, content=entry)},
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
    kept = (headers, properties)
    return "" if is_flat(kept, 6) or survives(kept) else "its headers are nested too deep"


def _part(whole: Any, name: str) -> dict[str, Any]:
    part = whole.get(name) if isinstance(whole, dict) else None
    return part if isinstance(part, dict) else {}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


class SoundMessage(virtual.Message):
    """A message of kombu's virtual transports that can be made of every entry."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        try:
            super().__init__(sound_entry(payload), channel=channel, **options)
        except Exception as error:  # noqa: BLE001 (a body that is not what its encoding says)
            reason = f"its body cannot be read: {type(error).__name__}: {error}"
            super().__init__(refused_entry(payload, reason), channel=channel, **options)


def survive_unreadable_entries() -> None:
    """Patch kombu's virtual transports and its Redis channel, once."""
    virtual.Channel.Message = SoundMessage
    patch_redis(_patch_transport)


def _patch_transport() -> None:
    try:
        from kombu.transport import redis
    except ImportError:  # another broker, and redis is not installed
        return
    replace(redis, "loads", _reading)
    replace(redis.Channel, "_brpop_read", _dropping)


def _reading(original: Method) -> Method:
    def loads(text: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return original(text, *arguments, **options)
        except Exception as error:
            raise UnreadableEntry(f"{type(error).__name__}: {shown(text, 200)}") from error

    return loads


def _dropping(original: Method) -> Method:
    def _brpop_read(self: Any, **options: Any) -> Any:
        try:
            return original(self, **options)
        except (UnreadableEntry, UnicodeDecodeError) as error:  # the entry is off the list already
            facts = {"reason": "an entry that is no JSON", "content": shown(str(error), 300)}
            logger.error("event=message_refused %s", pairs(facts))
            return True

    return _brpop_read
