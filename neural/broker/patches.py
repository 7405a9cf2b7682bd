"""What of Celery 5.7.0 and kombu 5.7.0 is replaced, so that workers outlive a broker that fails.

Without it, a Redis that is lost or refuses a command ends a worker. ``tests/integration`` does all
of this to a broker under a worker. What can be, is a subclass that a public hook takes: kombu's
table of transports (``neural.broker.redis``) and the setting ``worker_consumer``
(``neural.broker.consumer``). Those modules name each problem, with the issue where it was reported.
:func:`replace` is for the rest.

A newer version may have fixed what is replaced, or may lack it. Whoever upgrades reads these
issues, runs ``tests/integration`` with PROBE_WITHOUT_PATCH=1 and without, and writes the new
version into ``LOOKED_AT``.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.metadata import version
from typing import Any, NamedTuple

from celery import signals
from kombu.transport import TRANSPORT_ALIASES

logger = logging.getLogger(__name__)

LOOKED_AT: Mapping[str, str] = {"celery": "5.7.0", "kombu": "5.7.0"}
"""The newest version of each package with which this was tested."""
TRANSPORTS = {
    "kombu.transport.redis:Transport": "neural.broker.redis:Transport",
    "kombu.transport.redis:SentinelTransport": "neural.broker.redis:SentinelTransport",
}
CELERYS_CONSUMER = "celery.worker.consumer:Consumer"
CONSUMER = "neural.broker.consumer:Consumer"
LOG_SECONDS = 60.0
"""Seconds between two log lines about the same problem."""

Method = Callable[..., Any]


def survive_a_lost_broker() -> None:
    """Register the transports, and the consumer when a worker begins.

    Both are loaded on first use: redis-py would cost a process that never connects 7 MB, and as
    much time as all of the ledger.
    """
    for alias, path in TRANSPORT_ALIASES.items():
        TRANSPORT_ALIASES[alias] = TRANSPORTS.get(path, path)
    signals.celeryd_init.connect(_take_our_consumer, dispatch_uid="neural.broker")


def _take_our_consumer(conf: Any, **_: Any) -> None:
    if conf.worker_consumer == CELERYS_CONSUMER:  # else the project has its own
        conf.worker_consumer = CONSUMER


class Seldom:
    """Lets one log line through every :data:`LOG_SECONDS`."""

    def __init__(self) -> None:
        self._next = 0.0

    def may_speak(self) -> bool:
        """Whether it is time for a line."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + LOG_SECONDS
        return True


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


class Newer(NamedTuple):
    """A package whose installed version is newer than the one that this was tested with."""

    name: str
    installed: str
    looked_at: str


def newer_than_looked_at() -> Sequence[Newer]:
    """The packages installed in a newer version than this was tested with."""
    all_of = [Newer(name, version(name), looked_at) for name, looked_at in LOOKED_AT.items()]
    return [each for each in all_of if _release(each.installed) > _release(each.looked_at)]


def _release(text: str) -> tuple[int, ...]:
    """5.7.1rc2 as (5, 7, 1)."""
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, leading[0].split("."))) if leading else ()
