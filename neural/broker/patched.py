"""What the patches of Celery and kombu were made for, and how one is put in its place.

``neural.broker.patches`` and ``neural.broker.entries`` replace methods of both. A newer version
may have mended what a patch is for, or do without what it replaces: whoever upgrades reads the
issues that are named beside each patch, runs ``tests/integration`` with PROBE_WITHOUT_PATCH=1 and
without, and writes the version down here.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from importlib.metadata import version
from typing import Any, NamedTuple

from kombu.transport import TRANSPORT_ALIASES

logger = logging.getLogger(__name__)

LOOKED_AT: Mapping[str, str] = {"celery": "5.7.0", "kombu": "5.7.0"}
"""The newest version of each with which the patches were tried."""

Method = Callable[..., Any]


class Newer(NamedTuple):
    """A distribution that is installed in a version that nobody has looked at."""

    name: str
    installed: str
    looked_at: str


def newer_than_looked_at() -> Sequence[Newer]:
    """What is installed in a newer version than the patches were tried with."""
    found = [Newer(name, version(name), known) for name, known in LOOKED_AT.items()]
    return [each for each in found if _release(each.installed) > _release(each.looked_at)]


def _release(text: str) -> tuple[int, ...]:
    """5.7.1rc2 as (5, 7, 1)."""
    leading = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, leading[0].split("."))) if leading else ()


# Kombu's Redis transport

REDIS = "kombu.transport.redis"

_of_redis: list[Callable[[], None]] = []


def patch_redis(patch: Callable[[], None]) -> None:
    """Call ``patch``, which may be called again, before kombu first connects to Redis. Loading
    redis-py would cost a process that never does 7 MB, and as much time as all of the ledger."""
    if REDIS in sys.modules:
        patch()
    _of_redis.append(patch)
    aliases: dict[str, Any] = TRANSPORT_ALIASES  # paths, or what is called for one
    for name, path in aliases.items():
        if isinstance(path, str) and path.startswith(f"{REDIS}:"):
            aliases[name] = _patched(path)


def _patched(path: str) -> Callable[[], str]:
    """What kombu's table may hold in the place of a path: it is called when the name is used."""

    def transport() -> str:
        for patch in _of_redis:
            patch()
        return path

    return transport


def replace(owner: Any, name: str, patch: Callable[[Method], Method]) -> None:
    """Put a patch in the place of a method, once. Where a newer version has no such method the
    patch is left out, and said to be: better a worker without it than none."""
    original = getattr(owner, name, None)
    if original is None:
        logger.error("event=patch_left_out what=%s.%s", owner.__name__, name)
        return
    if getattr(original, "_neural", False):
        return
    replaced = wraps(original)(patch(original))
    replaced._neural = True  # type: ignore[attr-defined]
    setattr(owner, name, replaced)
