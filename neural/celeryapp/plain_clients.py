"""Accepts messages of plain Celery clients, which know nothing of the ledger."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from celery.exceptions import Ignore, Reject
from django.db import InterfaceError, OperationalError

from neural import queues
from neural.broker.envelopes import REFUSED_HEADER, refusal_in
from neural.broker.message import is_queue
from neural.celeryapp import chords
from neural.celeryapp.call import CalledTask, keep
from neural.ledger import dialects, record
from neural.ledger.record import TaskIdTaken
from neural.ledger.work_errors import describe
from neural.models import TaskRun
from neural.worker.refusing import MessageRefused, RefusedCall, keep_refused

QUEUE_LENGTH = 100
FOREIGN_PAUSE_SECONDS = 1
"""Seconds to wait before a message that could not be recorded goes back to its queue."""


class ForeignlyCalledTask(CalledTask):
    """A ledger task whose messages may come from any Celery client."""

    abstract = True
    throws = (MessageRefused,)
    """Exceptions that Celery logs without a traceback: the refusal is logged already."""

    def accept_foreign(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Record the run of a plain Celery client's message.

        If anything is wrong with the message, record a dead letter and raise the error. Until one
        of the two is recorded, only the message knows of the call. So while the database is
        unavailable, the message goes back to its queue.
        """
        try:
            refused = self._recorded_or_refused(*self.stored_call(args, kwargs))
        except (OperationalError, InterfaceError) as error:
            dialects.ledger_connection().close()
            time.sleep(FOREIGN_PAUSE_SECONDS)
            raise Reject(str(error), requeue=True) from error
        if refused is not None:
            raise refused
        self._take_followers_from_celery()
        self.request.update(chord=None)  # its run says how it ends

    def on_refused(self, refused: RefusedCall, run: TaskRun) -> None:
        """Called in a worker when a plain client's message was refused; does nothing by default.

        ``run`` is the message's dead letter. Whatever an override writes commits with it.
        """

    def most_bytes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
        """The size that the arguments of a plain client's message may have; None stands for the
        setting ``max_json_bytes``."""
        return None

    def stored_call(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """What is kept of the arguments of a plain client's message, whether it is refused or not:
        all of them by default."""
        return args, kwargs

    def stored_content(self, content: str) -> str:
        """What is kept of the text of a message whose arguments cannot be read."""
        return content

    def _recorded_or_refused(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Exception | None:
        before = refusal_in({REFUSED_HEADER: self.request.get(REFUSED_HEADER)})
        try:
            if before["reason"]:
                raise MessageRefused(before["reason"])
            self._record(args, kwargs)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 (a message may hold anything)
            self._keep_refused(args, kwargs, error, before)
            return self._for_celery(error)
        return None

    def _record(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        record.record_foreign(
            task=self.name,
            task_id=str(self.request.id),
            args=list(args),
            kwargs=dict(kwargs),
            queue=self._delivered_on(),
            priority=self._priority(self._message_priority()),
            options=self._options_of_the_message(),
            parent=self.request.parent_id or "",
            most_bytes=self.most_bytes(args, kwargs),
            joining=self._joining(),
        )

    def _joining(self) -> Any:
        group = {"chord": self.request.chord, "group_id": self.request.group}
        return partial(chords.joining, options=group) if chords.batch_of(group) else None

    def _keep_refused(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        error: Exception,
        before: Mapping[str, str],
    ) -> None:
        task_id = str(self.request.id)
        refused = RefusedCall(
            task=self.name,
            task_id=task_id,
            sent_id=before["id"] if before["reason"] else task_id,
            queue=self._delivered_on(),
            priority=self._priority(self._message_priority()),
            reason=describe(error),
            args=args,
            kwargs=kwargs,
            content=self.stored_content(before["content"]),
            delivery_tag=str((self.request.properties or {}).get("delivery_tag", "")),
        )
        keep_refused(refused, also=self.on_refused)

    def _for_celery(self, error: Exception) -> Exception:
        """The exception that Celery gets for a refused message.

        Celery then tells a client that waits for the result, and the chord of which it is a member.
        It does not if the id belongs to other work, whose result would be overwritten.
        """
        if isinstance(error, TaskIdTaken):
            return Ignore(str(error))
        self._take_followers_from_celery()  # they may be what was wrong
        refused = MessageRefused(describe(error))
        refused.__cause__ = error
        return error if isinstance(error, MessageRefused) else refused

    def _take_followers_from_celery(self) -> None:
        """Remove the followers from the request: they are the run's now, and must start only
        once."""
        self.request.update(callbacks=None, errbacks=None, chain=None)

    def _message_priority(self) -> int | None:
        """The message's priority, if it is a valid one; without one the message says 0."""
        priority = (self.request.delivery_info or {}).get("priority")
        return priority if priority in queues.PRIORITIES else None

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
        given["ignore_result"] = vars(request).get("ignore_result")
        return keep(self.name, given)

    def _delivered_on(self) -> str:
        """The queue that the message came from, if it names a known one, else the task's queue."""
        named = (self.request.delivery_info or {}).get("routing_key")
        if isinstance(named, str) and 0 < len(named) <= QUEUE_LENGTH and is_queue(named):
            return named
        return self._queue(None)


def _own_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plain client's headers, without those that the worker has added (``event_stream``)."""
    given = headers or {}
    return {name: given[name] for name in given if not name.startswith("neural_")}
