"""Functions that are told of error groups that need a look: new ones, and reopened ones."""

import logging
from collections.abc import Callable, Sequence

from neural.monitoring.models import ErrorGroup
from neural.registry import Registry

logger = logging.getLogger(__name__)

Tell = Callable[[Sequence[ErrorGroup]], object]

LISTENERS: Registry[Tell] = Registry("listener to error groups")
"""Each is called with groups that have just been made or opened again, after the commit."""


def tell(groups: Sequence[ErrorGroup]) -> None:
    """Tell every listener of new and reopened groups. Call it after their transaction has
    committed (``transaction.on_commit``); an error of a listener is logged and goes no further."""
    if not groups:
        return
    for name, call in LISTENERS.items():
        try:
            call(groups)
        except Exception:
            logger.exception("event=error_groups_untold listener=%s groups=%d", name, len(groups))
