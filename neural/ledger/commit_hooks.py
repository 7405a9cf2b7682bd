"""Functions that run when a transaction has committed.

Django calls them one after the other and stops at the first that raises, although all is
committed. A worker's transaction holds many runs: their hooks are nothing to each other, and
a raised one is told, with the run that registered it, and changes nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from neural.ledger.work_errors import describe, traceback_of

logger = logging.getLogger(__name__)

Hook = Callable[[], object]


@dataclass(frozen=True)
class Isolated:
    """A hook that never raises."""

    function: Hook
    what: str
    """Whose it is."""
    call: Callable[[Hook, str], None]

    def __call__(self) -> None:
        try:
            self.call(self.function, self.what)
        except Exception as error:  # noqa: BLE001 (what it belongs to has been committed)
            logger.error(
                "event=hook_failed %s hook=%s error=%r\n%s",
                self.what,
                getattr(self.function, "__qualname__", type(self.function).__name__),
                describe(error),
                traceback_of(error),
            )


def isolate(
    connection: BaseDatabaseWrapper, *, since: int, what: str, call: Callable[[Hook, str], None]
) -> None:
    """Make the hooks that were registered last, after so many others, stand for themselves.
    ``call`` calls one, and raises nothing but an Exception."""
    registered: list[Any] = connection.run_on_commit
    for place in range(since, len(registered)):
        blocks, function, _ = registered[place]
        if not isinstance(function, Isolated):
            registered[place] = (blocks, Isolated(function, what, call), False)
