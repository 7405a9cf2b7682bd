"""Messages of plain Celery clients, which know nothing of the ledger."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError

from neural.runs import enqueue, routing, sql
from neural.runs.calling import CalledTask
from neural.runs.options import keep

FOREIGN_PAUSE_SECONDS = 1
"""Before a message that could not be recorded goes back to its queue."""


class ForeignlyCalledTask(CalledTask):
    """A ledger task whose messages may come from anywhere."""

    abstract = True

    def accept_foreign(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Record the run of a message that a plain Celery client sent.

        Until it is recorded nothing but the message knows of it: while the database is away
        it goes back to its queue.
        """
        try:
            enqueue.record_foreign(
                task=self.name,
                task_id=str(self.request.id),
                args=list(args),
                kwargs=dict(kwargs),
                queue=self._delivered_on(),
                priority=self._priority(self._message_priority()),
                options=self._options_of_the_message(),
                parent=self.request.parent_id or "",
            )
        except (OperationalError, InterfaceError) as error:
            sql.ledger_connection().close()
            time.sleep(FOREIGN_PAUSE_SECONDS)
            raise Reject(str(error), requeue=True) from error
        # It is the run's now; Celery must not do it a second time.
        self.request.update(callbacks=None, errbacks=None, chain=None)

    def _message_priority(self) -> int | None:
        """A plain client's own; without one the message says 0."""
        priority = (self.request.delivery_info or {}).get("priority")
        return priority if priority in routing.PRIORITIES else None

    def _options_of_the_message(self) -> dict[str, Any]:
        request = self.request
        hard, soft = request.timelimit or (None, None)
        given = {
            "link": request.callbacks,
            "link_error": request.errbacks,
            "chain": request.chain,
            "chord": request.chord,
            "expires": request.expires,
            "time_limit": hard,
            "soft_time_limit": soft,
            "root_id": request.root_id,
            "group_id": request.group,
            "group_index": request.group_index,
            "shadow": request.shadow,
            "headers": _own_headers(request.headers),
            "stamped_headers": request.stamped_headers,
            **(request.stamps or {}),
        }
        kept = keep(self.name, given)
        # It may read its result in Redis; so whatever comes of later tries is stored there.
        wants_result = vars(request).get("ignore_result") is False
        return {**kept, "ignore_result": False} if wants_result else kept

    def _delivered_on(self) -> str:
        info = self.request.delivery_info or {}
        return str(info.get("routing_key") or self._queue(None))


def _own_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plain client's, without what the worker itself has added (``event_stream``)."""
    given = headers or {}
    return {name: given[name] for name in given if not name.startswith("neural_")}
