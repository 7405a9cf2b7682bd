"""Patches for Celery 5.7.0 and kombu 5.7.0, which keep a worker alive when its broker fails.

Without them, a Redis that is lost or refuses a command ends a worker. ``tests/integration`` does
all of this to a broker under a worker. Where a problem was reported to Celery or kombu, the issue
is named.

A newer version may have fixed what a patch is for, or may lack the method that it replaces. Whoever
upgrades reads these issues, runs ``tests/integration`` with PROBE_WITHOUT_PATCH=1 and without, and
writes the new version into ``LOOKED_AT``. ``neural.broker.entries`` patches kombu as well.

**The broker is lost.** ``Channel._connparams`` is called on a channel whose connection has been
closed. It fails with ``AttributeError: 'NoneType' object has no attribute 'hostname'``, which no
caller expects (15 of 16 measured stops ended the worker; celery/kombu#582). The patch raises a
ConnectionError instead. The worker's own reconnect loop (``Consumer.start``) handles that.

**The broker refuses writes.** A server that is full (OOM), cannot write its file (MISCONF), has
become a replica (READONLY, UNBLOCKED) or lacks replicas (NOREPLICAS) answers with
``redis.ResponseError``. ``get_redis_error_classes`` counts that as a channel error, after which
``Consumer.start`` does not continue (celery/celery#5716 for a full server, #7946 for a replica).
The patch makes it a connection error. The worker then waits in ``Consumer.connection_for_read``
until the server accepts a write. Such a server still accepts connections, so reconnecting alone
would be a loop without a pause.

**Full, while connected.** BRPOP still works, and only the note that the message
was taken (``QoS.append``) is refused. The worker processes the message nevertheless: it is out of
Redis already, and taking messages is what frees the memory.

**An acknowledgement fails** (``QoS.ack``, ``QoS.reject``). Its message then still counts as being
processed. After as many such failures as the worker has slots, the worker takes no more messages
and does not even notice that its connection is lost: it hangs silently (celery/celery#10302 has the
symptom and names no cause). The patch frees the slot. Redis still has the message noted as taken,
and delivers it again after ``visibility_timeout``.

**RabbitMQ has an alarm** (memory, disk) and confirms nothing. ``Consumer.connection_for_write`` is
for a worker's own events, which include a heartbeat every 2 s. Waiting for a confirmation blocked
the main process until the alarm was over (for publishing in general: celery/celery#2689, #10386).
With the patch these events are not confirmed.

**The broker is lost while a worker stops.** ``Heart._send`` repeats each heartbeat of the event
stream until the broker is back, and holds the dispatcher's lock meanwhile. In a stopping worker, a
thread of the pool does this, and the main process waits for that lock to say goodbye. It never
ended. With the patch a heartbeat is sent once, as celery/celery#6039 does for the event that the
worker is offline; the next heartbeat is due in 2 s.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.metadata import version
from typing import Any, NamedTuple

from celery import signals
from kombu.transport import TRANSPORT_ALIASES

from neural.broker.connections import is_redis, must_accept

logger = logging.getLogger(__name__)

LOOKED_AT: Mapping[str, str] = {"celery": "5.7.0", "kombu": "5.7.0"}
"""The newest version of each package with which the patches were tested."""

PAUSE_SECONDS = 1.0
"""Seconds between two checks whether the broker accepts messages, and between two connections."""
LOG_SECONDS = 60.0
"""Seconds between two log lines about the same problem."""

EVENT_SECONDS = 1.0
"""How long, in seconds, an event may block its worker when the broker reads nothing any more."""

Method = Callable[..., Any]


# The patches


def survive_a_lost_broker() -> None:
    """Patch kombu's Redis transport, once, and Celery's consumer when a worker begins."""
    # Web processes need no consumer and do not even import it.
    signals.worker_init.connect(_patch_consumer, dispatch_uid="neural.broker")
    patch_redis(_patch_transport)


def _patch_transport() -> None:
    try:
        from kombu.transport.redis import Channel, QoS, Transport
        from redis.exceptions import ResponseError
    except ImportError:  # another broker, and redis is not installed
        return
    if getattr(getattr(Channel, "_connparams", None), "_neural", False):
        return
    replace(Channel, "_connparams", _of_a_lost_connection)
    replace(QoS, "append", _although_refused)
    replace(QoS, "ack", _freeing_its_slot)
    replace(QoS, "reject", _freeing_its_slot)
    Transport.connection_errors += (ResponseError,)


def _patch_consumer(**_: Any) -> None:
    from celery.worker.consumer.consumer import Consumer
    from celery.worker.heartbeat import Heart

    replace(Consumer, "connection_for_read", _when_it_accepts)
    replace(Consumer, "connection_for_write", _without_confirmation)
    replace(Heart, "_send", _once)


def _of_a_lost_connection(original: Method) -> Method:
    def _connparams(self: Any, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("the broker is gone")
        return original(self, asynchronous)

    return _connparams


def _once(original: Method) -> Method:
    def _send(self: Any, event: str, retry: bool = False) -> Any:
        return original(self, event, retry=False)

    return _send


def _although_refused(original: Method) -> Method:
    from kombu.transport import virtual
    from redis.exceptions import ResponseError

    quiet = _Seldom()

    def append(self: Any, message: Any, delivery_tag: str) -> None:
        try:
            original(self, message, delivery_tag)
        except ResponseError as error:
            virtual.QoS.append(self, message, delivery_tag)
            if quiet.may_speak():
                logger.warning("event=message_not_noted reason=%r", str(error))

    return append


def _freeing_its_slot(original: Method) -> Method:
    from kombu.transport import virtual

    def settle(self: Any, delivery_tag: str, *args: Any, **options: Any) -> None:
        try:
            original(self, delivery_tag, *args, **options)
        except BaseException:
            virtual.QoS.ack(self, delivery_tag)
            raise

    return settle


def _when_it_accepts(original: Method) -> Method:
    def connection_for_read(self: Any, heartbeat: Any = None) -> Any:
        _not_too_soon(self)
        quiet = _Seldom()
        while True:
            connection = original(self, heartbeat=heartbeat)
            try:
                if is_redis(connection.default_channel):
                    must_accept(connection.default_channel)
                return connection
            except connection.connection_errors as error:
                if quiet.may_speak():
                    logger.warning("event=broker_refuses reason=%r", str(error))
                connection.release()
            _pause()

    return connection_for_read


def _without_confirmation(original: Method) -> Method:
    def connection_for_write(self: Any, url: Any = None, heartbeat: Any = None) -> Any:
        connection = self.app.connection_for_write(url=url, heartbeat=heartbeat)
        if "confirm_publish" in connection.transport_options:
            unheard = {"confirm_publish": False, "write_timeout": EVENT_SECONDS}
            connection.transport_options = {**connection.transport_options, **unheard}
        return self.ensure_connected(connection)

    return connection_for_write


def _not_too_soon(consumer: Any) -> None:
    """Wait if the last connection was made just now.

    An error other than a refused write (a key of another type) would otherwise recur at once.
    """
    now = time.monotonic()
    if now - getattr(consumer, "_neural_connected_at", 0) < PAUSE_SECONDS:
        _pause()
    consumer._neural_connected_at = time.monotonic()


def _pause() -> None:
    from celery.worker.state import maybe_shutdown

    maybe_shutdown()
    time.sleep(PAUSE_SECONDS)
    maybe_shutdown()


class _Seldom:
    """Lets one log line through every `LOG_SECONDS`."""

    def __init__(self) -> None:
        self._next = 0.0

    def may_speak(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOG_SECONDS
        return True


# How a patch is applied

REDIS = "kombu.transport.redis"

_of_redis: list[Callable[[], None]] = []


def patch_redis(patch: Callable[[], None]) -> None:
    """Call ``patch`` before kombu first connects to Redis. It may be called more than once.

    Loading redis-py would cost a process that never connects 7 MB, and as much time as all of the
    ledger.
    """
    if REDIS in sys.modules:
        patch()
    _of_redis.append(patch)
    aliases: dict[str, Any] = TRANSPORT_ALIASES  # import paths, or functions that return one
    for name, path in aliases.items():
        if isinstance(path, str) and path.startswith(f"{REDIS}:"):
            aliases[name] = _patched(path)


def _patched(path: str) -> Callable[[], str]:
    """A function that applies the patches and returns ``path``.

    kombu's table of transports may hold a function instead of a path, and calls it on first use.
    """

    def transport() -> str:
        for patch in _of_redis:
            patch()
        return path

    return transport


def replace(owner: Any, name: str, patch: Callable[[Method], Method]) -> None:
    """Replace a method by its patched version, once.

    If a newer version has no such method, the patch is left out and an error is logged: a worker
    without the patch is better than none.
    """
    original = getattr(owner, name, None)
    if original is None:
        logger.error("event=patch_left_out what=%s.%s", owner.__name__, name)
        return
    if getattr(original, "_neural", False):
        return
    replaced = wraps(original)(patch(original))
    replaced._neural = True  # type: ignore[attr-defined]
    setattr(owner, name, replaced)


# The versions that the patches were made for


class Newer(NamedTuple):
    """A package whose installed version is newer than the one that the patches were tested with."""

    name: str
    installed: str
    looked_at: str


def newer_than_looked_at() -> Sequence[Newer]:
    """The packages installed in a newer version than the patches were tested with."""
    found = [Newer(name, version(name), known) for name, known in LOOKED_AT.items()]
    return [each for each in found if _release(each.installed) > _release(each.looked_at)]


def _release(text: str) -> tuple[int, ...]:
    """5.7.1rc2 as (5, 7, 1)."""
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, leading[0].split("."))) if leading else ()
