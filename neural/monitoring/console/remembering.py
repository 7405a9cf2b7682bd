"""Keeps what was made for one viewer for those who see the same, for a few seconds.

In Django's cache, which all web processes share. A cache that is away is an empty one.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache import cache

logger = logging.getLogger(__name__)


def remembered(key: str, make: Callable[[], Any], *, seconds: float) -> Any:
    """What ``make`` returned within so many seconds for this key. It must be JSON."""
    key = f"neural.console.{key}"
    try:
        found = cache.get(key)
    except Exception as error:  # noqa: BLE001 (each backend raises its own)
        logger.warning("event=cache_unavailable error=%r", str(error))
        return make()
    if found is None:
        found = make()
        try:
            cache.set(key, found, timeout=seconds)
        except Exception as error:  # noqa: BLE001 (as above)
            logger.warning("event=cache_unavailable error=%r", str(error))
    return found
