"""Asks the broker: does it accept messages, would it lose them, and what is in its queues?

The question has its own connection with short timeouts, so a frozen broker costs half a second.
What only Redis can be asked stays unknown elsewhere. A broker that may well be running and accepts
no messages has a :class:`Cause`, of which this module says why and what to do about it.
"""

import enum
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from neural.broker.connections import (
    close_quietly,
    depth_of,
    must_accept,
    short_tempered_connection,
)

KEYS_LOOKED_AT = 10_000
# kombu's own bookkeeping, and the replies to `celery inspect`, which expire by themselves.
_NOT_A_QUEUE = re.compile(r"^_kombu\.|^unacked|\.pidbox$|^celeryev")
# kombu splits a queue with message priorities into lists whose names end like this.
_PRIORITY_SUFFIX = re.compile("\x06\x16\\d+$")


class Cause(enum.StrEnum):
    """Why a broker refuses, as told by its error, or by the lack of an answer."""

    UNREACHABLE = "unreachable"
    MEMORY = "memory"
    DISK = "disk"
    REPLICA = "replica"
    FEW_REPLICAS = "few replicas"
    LOGIN = "login"
    FORBIDDEN = "forbidden"
    LOADING = "loading"
    CLIENTS = "clients"
    ALARM = "alarm"
    OTHER = "other"


# By the name of the exception (of redis-py, py-amqp and amqp's replies), else by its words.
_NAMES = {
    "OutOfMemoryError": Cause.MEMORY,
    "ReadOnlyError": Cause.REPLICA,
    "MasterDownError": Cause.REPLICA,
    "AuthenticationError": Cause.LOGIN,
    "AuthenticationWrongNumberOfArgsError": Cause.LOGIN,
    "AccessRefused": Cause.LOGIN,
    "NoPermissionError": Cause.FORBIDDEN,
    "BusyLoadingError": Cause.LOADING,
}
_WORDS = {
    "MISCONF": Cause.DISK,
    "NOREPLICAS": Cause.FEW_REPLICAS,
    "max number of clients": Cause.CLIENTS,
}

WHY: dict[Cause, str | Promise] = {
    Cause.MEMORY: _("its memory is full (maxmemory)"),
    Cause.DISK: _("it cannot write its file, perhaps because its disk is full"),
    Cause.REPLICA: _("it is a read-only replica"),
    Cause.FEW_REPLICAS: _("it has fewer replicas than min-replicas-to-write asks for"),
    Cause.LOGIN: _("it does not take our name and password"),
    Cause.FORBIDDEN: _("its access list forbids what a broker is for"),
    Cause.LOADING: _("it is still reading its file"),
    Cause.CLIENTS: _("it has no room for another client (maxclients)"),
    Cause.ALARM: _("it answers, but confirms nothing: RabbitMQ has an alarm on (memory or disk)"),
    Cause.OTHER: _("it refuses"),
}

CURES: dict[Cause, str | Promise] = {
    Cause.MEMORY: _(
        "see what fills it: redis-cli --bigkeys; or give it more, in redis-cli: CONFIG SET "
        "maxmemory BYTES, and the same in redis.conf"
    ),
    Cause.DISK: _(
        "free space on its host: df -h; what failed: redis-cli INFO persistence, and its log"
    ),
    Cause.REPLICA: _(
        "let CELERY_BROKER_URL name the primary, or make this one the primary, in redis-cli: "
        "REPLICAOF NO ONE"
    ),
    Cause.FEW_REPLICAS: _(
        "start its replicas, or do without, in redis-cli: CONFIG SET min-replicas-to-write 0"
    ),
    Cause.LOGIN: _(
        "correct address and password in CELERY_BROKER_URL, then restart web, workers and beat"
    ),
    Cause.FORBIDDEN: _(
        "see what it refused, in redis-cli: ACL LOG; then allow it: ACL SETUSER NAME ~* &* +@all"
    ),
    Cause.LOADING: _("wait; how far it is: redis-cli INFO persistence"),
    Cause.CLIENTS: _(
        "see who is connected: redis-cli CLIENT LIST; or let in more, in redis-cli: CONFIG SET "
        "maxclients NUMBER"
    ),
    Cause.ALARM: _("see which: rabbitmq-diagnostics alarms; free memory or disk on its host"),
    Cause.OTHER: _("do what it says; its own log may say more"),
}


def cause_of(error: BaseException) -> Cause:
    """The cause of an error on connecting."""
    for each in _chain(error):
        if type(each).__name__ in _NAMES:
            return _NAMES[type(each).__name__]
        for words, cause in _WORDS.items():
            if words in str(each):
                return cause
    return Cause.UNREACHABLE


def cause_of_refusal(error: BaseException) -> Cause:
    """The cause of an error on writing, on a connection that answered before."""
    if isinstance(error, TimeoutError):
        return Cause.ALARM
    cause = cause_of(error)
    return Cause.OTHER if cause == Cause.UNREACHABLE else cause


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# The question


@dataclass(frozen=True, kw_only=True)
class BrokerFacts:
    """What the broker answered. None means that it could not be asked."""

    address: str
    """The address without its password."""
    error: str = ""
    """Why nothing could be asked."""
    refusal: str = ""
    """The broker's error for a message, if it answers everything else."""
    cause: Cause | None = None
    """The cause of the error or the refusal."""
    seconds: float = 0
    driver: str = ""
    """The kind of broker: 'redis', 'amqp'."""
    append_only: bool | None = None
    maxmemory_policy: str | None = None
    memory_used: float | None = None
    """Share of maxmemory; None if there is no limit."""
    messages: Mapping[str, int] = field(default_factory=dict)
    """Waiting messages by queue; empty queues are left out."""


def ask_broker(*, every_list: bool = True) -> BrokerFacts:
    """Ask the broker everything there is to ask, in about a second at most.

    Without ``every_list``, only the queues of this project are looked at: finding those of others
    walks over all keys of a Redis.
    """
    connection = short_tempered_connection()
    about: dict[str, Any] = {
        "address": connection.as_uri(),
        "driver": connection.transport.driver_type,
    }
    started = time.perf_counter()
    try:
        channel = connection.default_channel
        seconds = time.perf_counter() - started
        asked: dict[str, Any] = {
            "messages": dict(_messages(channel, every_list)),
            **_durability(channel),
        }
        return BrokerFacts(**about, seconds=seconds, **asked, **_refusal(channel))
    except Exception as error:  # noqa: BLE001 (whatever a transport raises is the answer)
        return BrokerFacts(**about, error=_error_text(error), cause=cause_of(error))
    finally:
        close_quietly(connection)


def _refusal(channel: Any) -> dict[str, Any]:
    """Checked last: RabbitMQ reads nothing more from a connection on which it refused."""
    try:
        must_accept(channel)
    except Exception as error:  # noqa: BLE001 (as above)
        return {"refusal": _error_text(error), "cause": cause_of_refusal(error)}
    return {}


def _error_text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _durability(channel: Any) -> dict[str, Any]:
    client = _redis(channel)
    if client is None:
        return {}
    # INFO, because hosted servers refuse CONFIG.
    persistence, memory = client.info("persistence"), client.info("memory")
    append_only = persistence.get("aof_enabled")
    limit = int(memory.get("maxmemory") or 0)
    return {
        "append_only": None if append_only is None else bool(int(append_only)),
        "maxmemory_policy": memory.get("maxmemory_policy"),
        "memory_used": int(memory["used_memory"]) / limit if limit else None,
    }


def _messages(channel: Any, every_list: bool) -> Iterator[tuple[str, int]]:
    names = set(current_app.amqp.queues)
    client = _redis(channel)
    if client is not None and every_list:
        names |= set(_lists(client, getattr(channel, "global_keyprefix", "") or ""))
    for name in sorted(names):
        depth = depth_of(channel, name)
        if depth:
            yield name, depth


def _lists(client: Any, prefix: str) -> Iterator[str]:
    """Redis lists that are queues, whoever sent messages there."""
    keys = client.scan_iter(match=f"{prefix}*", count=1000, _type="list")
    for _count, key in zip(range(KEYS_LOOKED_AT), keys, strict=False):
        text = key.decode(errors="replace") if isinstance(key, bytes) else key
        name = _PRIORITY_SUFFIX.sub("", text.removeprefix(prefix))
        if not _NOT_A_QUEUE.search(name):
            yield name


def _redis(channel: Any) -> Any:
    """The client of a Redis channel; None for other brokers."""
    client = getattr(channel, "client", None)
    return client if hasattr(client, "scan_iter") else None
