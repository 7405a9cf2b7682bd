"""Checks what a message must be, so that a worker's main process survives it.

Everything that Celery and kombu do with a message before its task is called happens in that one
process, for all queues. They trust what they read. A name that is a list, a time limit of letters
or arguments nested 480 deep raise where nothing catches the error, and the message goes back to its
queue, for the next worker. This module checks what they rely on, and no more. Whether a task can
use its arguments is for the task to say. A message that fails is read as far as it can be, and
replaced by one that says why.
"""

import hashlib
import math
import pickle
import sys
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from typing import Any

from kombu.message import Message
from kombu.serialization import dumps

from neural.kit.storable import is_storable

REFUSED_HEADER = "neural_refused"
"""The header of a substitute that says why a message was refused, and what it contained."""
PRINTED_LENGTH = 2000
REASON_LENGTH = 400

ID_LENGTH = 255
LEAST_LIMIT_SECONDS = 0.5
"""A shorter time limit strikes before the task has begun, in Celery's own code."""
_FOLLOWERS = ("callbacks", "errbacks", "chain")
_CONTAINERS = frozenset({dict, list, tuple})
# With at most this many containers, arguments cannot be nested too deep.
_SHALLOW = 100
# On the way to the pool, more functions are called than in the trial.
_MARGIN = 50


class Unsound(ValueError):
    """A message is not valid; the text says why."""


def printable(value: object, length: int = PRINTED_LENGTH) -> str:
    """Any value as text to log or store: printable, of at most ``length`` characters."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception as error:  # noqa: BLE001 (nested too deep, or a repr that raises)
        text = f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    text = text[: length + 1].encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return text if len(text) <= length else text[: length - 1] + "…"


def sketch(content: object) -> str:
    """What is logged of a content, which may name guests: its length, its kind and a hash."""
    raw = content if isinstance(content, bytes) else printable(content, sys.maxsize).encode()
    kind = type(content).__name__
    return f"{len(raw)} bytes of {kind}, sha256 {hashlib.sha256(raw).hexdigest()[:16]}"


def refusal(*, reason: str, task_id: object = None, content: object = "") -> dict[str, str]:
    """The value of :data:`REFUSED_HEADER`."""
    its_id = "" if task_id is None else printable(task_id, 100)
    return {"reason": printable(reason, REASON_LENGTH), "id": its_id, "content": printable(content)}


def check_headers(headers: Any, read_moment: Callable[[Any], Any]) -> None:
    """Raise :class:`Unsound` for headers on which Celery would fail.

    ``headers`` are those of protocol 2 or the body of protocol 1; ``read_moment`` reads ``eta`` and
    ``expires`` or raises.
    """
    for name in ("id", "task"):
        if name not in headers:
            raise Unsound(f"it has no {name}")
    if not isinstance(headers["id"], Hashable) or headers["id"] is None:
        raise Unsound(f"its id is {_a(headers['id'])} and no text")
    if not isinstance(headers["task"], str):
        raise Unsound(f"its task is {_a(headers['task'])} and no name")
    _expect(headers, "shadow", str)
    _expect(headers, "retries", int)
    _check_time_limit(headers.get("timelimit"))
    _check_stamps(headers)
    for name in ("eta", "expires"):
        if headers.get(name) is not None:
            _check_moment(name, headers[name], read_moment)


def _expect(headers: Mapping[str, Any], name: str, kind: type) -> None:
    if headers.get(name) is not None and not isinstance(headers[name], kind):
        raise Unsound(f"its {name} is {_a(headers[name])}")


def _a(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _brief(value: object) -> str:
    return printable(repr(value[:60]) if isinstance(value, str) else value, 60)


def _check_time_limit(limit: Any) -> None:
    if not limit and not isinstance(limit, str | Mapping):
        return
    is_pair = isinstance(limit, list | tuple) and len(limit) == 2
    if not is_pair or not all(each is None or _is_seconds(each) for each in limit):
        least = f"{LEAST_LIMIT_SECONDS:g} or more"
        raise Unsound(f"its timelimit is {_brief(limit)} and no pair of seconds, {least}")


def _is_seconds(value: Any) -> bool:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return not value or LEAST_LIMIT_SECONDS <= value < 1e9


def _check_stamps(headers: Mapping[str, Any]) -> None:
    names = headers.get("stamped_headers")
    if names and not (_is_list(names) and all(isinstance(each, str) for each in names)):
        raise Unsound("its stamped_headers are no list of names")
    if headers.get("stamps") and not isinstance(headers["stamps"], Mapping):
        raise Unsound("its stamps are no object")


def _check_moment(name: str, value: Any, read_moment: Callable[[Any], Any]) -> None:
    try:
        read = read_moment(value)
    except Exception as error:
        raise Unsound(f"its {name} is {_brief(value)} and no time") from error
    if read is None:
        raise Unsound(f"its {name} is {_brief(value)} and no time")


def check_content(content: Any) -> None:
    """Raise :class:`Unsound` unless the body is [args, kwargs, embed]."""
    if not _is_list(content) or len(content) != 3:
        raise Unsound(f"its body is {_a(content)} and not [args, kwargs, embed]")
    embed = content[2]
    if embed is not None and not isinstance(embed, Mapping):
        raise Unsound("the third part of its body is no object")
    for name in _FOLLOWERS:
        followers = (embed or {}).get(name)
        if followers and not (_is_list(followers) and all(map(_is_mapping, followers))):
            raise Unsound(f"its {name}: no list of signatures")
    chord = (embed or {}).get("chord") or {}
    if not (_is_mapping(chord) and _is_mapping(chord.get("options") or {})):
        raise Unsound("its chord is no signature")


def check_call(args: Any, kwargs: Any) -> None:
    """Raise :class:`Unsound` for arguments with which no function can be called."""
    if not _is_list(args):
        raise Unsound(f"its args are {_a(args)} and no list")
    if not _is_mapping(kwargs) or not all(isinstance(name, str) for name in kwargs):
        raise Unsound(f"its kwargs are {_a(kwargs)} and no object with names")


def check_run(headers: Mapping[str, Any], embed: Mapping[str, Any], hidden: Set[str]) -> None:
    """Raise :class:`Unsound` for headers that would be misread in the run of a ledger task.

    ``hidden`` are names that the task itself looks up in its request.
    """
    if not isinstance(headers["id"], str | int) or isinstance(headers["id"], bool):
        raise Unsound(f"its id is {_a(headers['id'])} and no text")
    for name in ("root_id", "parent_id", "group"):
        _expect(headers, name, str)
        if not _can_be_stored(headers.get(name) or ""):
            raise Unsound(f"its {name} is {_brief(headers[name])}, which cannot be kept")
    if strange := embed.keys() - {*_FOLLOWERS, "chord"}:
        raise Unsound(f"its body says {_brief(sorted(map(str, strange)))} beside its arguments")
    if not hidden.isdisjoint(headers):
        raise Unsound(f"it has a header {_brief(min(hidden & headers.keys()))}")


def _can_be_stored(name: str) -> bool:
    return is_storable(name) and len(name) <= ID_LENGTH


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def check_outside(headers: Any, properties: Any) -> None:
    """Raise :class:`Unsound` for headers or properties nested too deep for the way to the pool."""
    outside = (headers, properties)
    if not (is_flat(outside, 6) or survives(outside)):
        raise Unsound("its headers are nested too deep for a worker")


def check_depth(content: Any, body: Any) -> None:
    """Raise :class:`Unsound` for content nested too deep for the way to the pool.

    ``body`` is the content as it was received. For most messages, counting its brackets is enough.
    """
    if not (_is_shallow(body) or survives(content)):
        raise Unsound("it is nested too deep for a worker")


def _is_shallow(body: Any) -> bool:
    if isinstance(body, str):
        return body.count("[") + body.count("{") <= _SHALLOW
    return isinstance(body, bytes) and body.count(b"[") + body.count(b"{") <= _SHALLOW


def is_flat(value: Any, levels: int) -> bool:
    """Whether the value's parts have no more than so many levels of containers.

    For small values only. It is a loop because every message is checked here.
    """
    if not levels:
        return False
    for part in value.values() if isinstance(value, dict) else value:
        if type(part) in _CONTAINERS and not is_flat(part, levels - 1):
            return False
    return True


def survives(value: Any) -> bool:
    """Whether the value can be pickled for the pool, with a margin."""
    for _ in range(_MARGIN):
        value = [value]
    try:
        pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except RecursionError:
        return False
    except Exception:  # noqa: BLE001 (content that only its own serializer can write)
        return True
    return True


def headers_of(message: Any) -> Mapping[str, Any]:
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
    check_content(content)
    return content[0], content[1], content[2]


def call_of(message: Any) -> tuple[Any, Any] | None:
    """The arguments and keyword arguments of a message; None if the pool cannot receive them."""
    try:
        args, kwargs, _ = content_of(message)
        check_call(args, kwargs)
        check_depth((args, kwargs), message.body)
    except Exception:  # noqa: BLE001 (this may be why it was refused)
        return None
    return args, kwargs


def refusal_in(headers: Any) -> Mapping[str, str]:
    """Reason, id and content of an earlier refusal; each is empty if there was none."""
    facts = headers.get(REFUSED_HEADER) if isinstance(headers, Mapping) else None
    facts = facts if isinstance(facts, Mapping) else {}
    return {name: printable(facts.get(name) or "") for name in ("reason", "id", "content")}


def described(message: Any, reason: str) -> dict[str, str]:
    """What is logged about a refused message."""
    facts, before = headers_of(message), refusal_in(getattr(message, "headers", None))
    return {
        "task": printable(facts.get("task", ""), 100),
        "id": printable(facts.get("id", ""), 100),
        "reason": printable(before["reason"] or reason, REASON_LENGTH),
        "content": sketch(before["content"] or getattr(message, "body", "")),
    }


class Substitute(Message):
    """A message that replaces a refused one. Acknowledging it acknowledges the refused one."""


def substitute_for(message: Any, *, task: str, reason: str) -> Substitute:
    """A valid message of this task that says that the given message was refused, and why."""
    call = call_of(message)
    own_id = headers_of(message).get("id")
    before = refusal_in(message.headers)
    content = before["content"] or ("" if call else message.body)
    refused = refusal(reason=reason, task_id=own_id, content=content)
    content_type, encoding, body = dumps([*(call or ((), {})), {}], serializer="json")
    headers: Any = {
        "id": own_id if _is_usable(own_id) else str(uuid.uuid4()),
        "task": task,
        REFUSED_HEADER: refused,
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
    return isinstance(task_id, str) and 0 < len(task_id) <= ID_LENGTH


def settled(message: Any) -> None:
    """Make the methods that acknowledge a message do nothing.

    Acknowledging it a second time would end the worker.
    """
    message.ack = message.reject = message.requeue = _nothing


def _nothing(*_: Any, **__: Any) -> None:
    return


def name_of(error: BaseException) -> str:
    """The class and the text of an error, shortened."""
    return f"{type(error).__name__}: {printable(str(error), 200)}"
