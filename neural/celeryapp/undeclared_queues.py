"""Queues that the project does not declare, read by a worker that is asked to.

Messages wait in such a queue if a project that used Celery's own default queue moves here, or if a
client sends to a mistyped name. A worker runs them, and no run or message is ever sent there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from celery.app.amqp import AMQP, Queues
from kombu import Exchange, Queue
from kombu.utils.functional import maybe_list

CELERYS_OWN_QUEUE = "celery"


class LedgerQueues(Queues):
    """The queues of an application, of which a worker may read undeclared ones besides."""

    _consume_from: dict[str, Queue] | None  # Celery's own, which its type stubs leave out

    def select(self, include: Any) -> None:
        """Read these queues alone. Raises KeyError for one that is undeclared and empty."""
        names = list(maybe_list(include) or ())
        undeclared = readable([name for name in names if name not in self])
        super().select([name for name in names if name not in undeclared])
        if undeclared:
            self._consume_from = {**(self._consume_from or {}), **undeclared}


class LedgerAMQP(AMQP):
    """Celery's ``app.amqp`` with :class:`LedgerQueues`."""

    queues_cls = LedgerQueues


def readable(names: Sequence[str]) -> Mapping[str, Queue]:
    """Those of these undeclared queues that a worker may read: Celery's own, also while it is
    empty, and any that holds messages. An empty queue of another name is taken for a typing error.
    """
    if not names:
        return {}
    # Needs the models: `celery control` asks for an app's queues before Django is set up.
    from neural.broker.publisher import BrokerUnavailable, publisher

    try:
        waiting = publisher().depths(names)
    except BrokerUnavailable:
        waiting = {}
    return {name: _queue(name) for name in names if waiting.get(name) or name == CELERYS_OWN_QUEUE}


def _queue(name: str) -> Queue:
    # One that holds messages exists, perhaps with arguments of its own.
    may_declare = name == CELERYS_OWN_QUEUE
    return Queue(name, Exchange(name), routing_key=name, no_declare=not may_declare)
