"""Parts of a page, each of which may fail without the others."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What a part shows; ``failed`` if that could not be read."""

    shown: Any = None
    failed: bool = False


def part(name: str, read: Callable[[], Any]) -> Part:
    """Read a part. An error is logged, and the page says that the part is not available."""
    try:
        if not connection.in_atomic_block:
            return Part(read())
        with transaction.atomic():  # on PostgreSQL an error would end the caller's transaction
            return Part(read())
    except Exception as error:
        logger.warning("event=part_failed part=%s error=%r", name, str(error), exc_info=True)
        return Part(failed=True)
