"""Isolation of ``transaction.on_commit`` hooks: one that raises does not stop the others.

Django calls hooks one after the other and stops at the first that raises, although the transaction
is committed. A worker's transaction contains many runs, and the hooks of one must not depend on
those of another. An error of a hook is logged with the run that registered it.
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
    """A hook that logs its error instead of raising it."""

    function: Hook
    what: str
    """The work that registered the hook, for the log."""
    call: Callable[[Hook, str], None]

    def __call__(self) -> None:
        try:
            self.call(self.function, self.what)
        except Exception as error:  # noqa: BLE001 (its transaction has been committed)
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
    """Isolate the hooks of a connection, except for the first ``since``.

    ``what`` names the work that registered them. ``call`` calls a hook, and must raise nothing but
    an Exception.
    """
    registered: list[Any] = connection.run_on_commit
    for place in range(since, len(registered)):
        blocks, function, _ = registered[place]
        if not isinstance(function, Isolated):
            registered[place] = (blocks, Isolated(function, what, call), False)
