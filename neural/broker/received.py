"""A message as a worker received it: reading it, whatever it contains, and replacing it."""

import uuid
from collections.abc import Mapping
from typing import Any

from kombu.message import Message
from kombu.serialization import dumps

from neural.broker import envelopes
from neural.broker.envelopes import REFUSED_HEADER, Unsound, shown


def said_by(message: Any) -> Mapping[str, Any]:
    """The headers (protocol 2) or body (protocol 1) of a message; empty if neither can be read."""
    headers = getattr(message, "headers", None)
    if isinstance(headers, Mapping) and "task" in headers:
        return headers
    try:
        content = message.payload
    except Exception:  # noqa: BLE001 (whatever its serializer raises)
        return {}
    return content if isinstance(content, Mapping) else {}


def content_of(message: Any) -> tuple[Any, Any, Any]:
    """Arguments, keyword arguments and embedded options. Raises :class:`Unsound`."""
    try:
        content = message.payload
    except Exception as error:
        raise Unsound(f"its body cannot be read: {name_of(error)}") from error
    if isinstance(content, Mapping) and ("args" in content or "task" not in message.headers):
        embed = {name: content.get(name) for name in ("callbacks", "errbacks", "chord")}
        content = content.get("args", ()), content.get("kwargs", {}), embed
    envelopes.check_content(content)
    return content[0], content[1], content[2]


def call_of(message: Any) -> tuple[Any, Any] | None:
    """The arguments and keyword arguments of a message; None if the pool cannot receive them."""
    try:
        args, kwargs, _ = content_of(message)
        envelopes.check_call(args, kwargs)
        envelopes.check_depth((args, kwargs), message.body)
    except Exception:  # noqa: BLE001 (this may be why it was refused)
        return None
    return args, kwargs


def refusal_in(headers: Any) -> Mapping[str, str]:
    """Reason, id and content of an earlier refusal; each is empty if there was none."""
    said = headers.get(REFUSED_HEADER) if isinstance(headers, Mapping) else None
    said = said if isinstance(said, Mapping) else {}
    return {name: shown(said.get(name) or "") for name in ("reason", "id", "content")}


def described(message: Any, reason: str) -> dict[str, str]:
    """What is logged about a refused message."""
    said, before = said_by(message), refusal_in(getattr(message, "headers", None))
    return {
        "task": shown(said.get("task", ""), 100),
        "id": shown(said.get("id", ""), 100),
        "reason": shown(before["reason"] or reason, envelopes.REASON_LENGTH),
        "content": shown(before["content"] or getattr(message, "body", ""), 300),
    }


class Substitute(Message):
    """A message that replaces a refused one. Acknowledging it acknowledges the refused one."""


def substitute_for(message: Any, *, task: str, reason: str) -> Substitute:
    """A valid message of this task that says that the given message was refused, and why."""
    call = call_of(message)
    own_id = said_by(message).get("id")
    before = refusal_in(message.headers)
    content = before["content"] or ("" if call else message.body)
    refusal = envelopes.refusal(reason=reason, task_id=own_id, content=content)
    content_type, encoding, body = dumps([*(call or ((), {})), {}], serializer="json")
    headers: Any = {
        "id": own_id if _is_usable(own_id) else str(uuid.uuid4()),
        "task": task,
        REFUSED_HEADER: refusal,
    }
    return Substitute(
        body=body,
        channel=message.channel,
        delivery_tag=message.delivery_tag,
        content_type=content_type,
        content_encoding=encoding,
        delivery_info=message.delivery_info,
        properties={"delivery_tag": str(message.delivery_tag)},
        headers=headers,
    )


def _is_usable(task_id: Any) -> bool:
    return isinstance(task_id, str) and 0 < len(task_id) <= envelopes.ID_LENGTH


def settled(message: Any) -> None:
    """Make the methods that acknowledge a message do nothing.

    Acknowledging it a second time would end the worker.
    """
    message.ack = message.reject = message.requeue = _nothing


def _nothing(*_: Any, **__: Any) -> None:
    return


def name_of(error: BaseException) -> str:
    """The class and the text of an error, shortened."""
    return f"{type(error).__name__}: {shown(str(error), 200)}"
