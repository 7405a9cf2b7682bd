"""Facts that several probes need, read once."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import QuerySet

from neural.health.broker import BrokerFacts, ask_broker
from neural.health.checks import register_probe  # noqa: F401  (documented as being here)
from neural.kit.conf import conf
from neural.ledger.clock import database_clock
from neural.models import QueuePause, WorkerProcess
from neural.queues.state import (
    COUNTED,
    QueueState,
    in_use,
    pending_queues,
    queue_states,
    readers_of,
)

Fact = TypeVar("Fact")

LOOKED_AT = 5 * COUNTED
"""Rows of every store that are looked at to find those of some stores."""


class Situation:
    """The state of workers, queues and broker. Each part is read once, when first used.

    With ``stores``, runs and refused events are those of these stores alone, as far as they are
    among the next :data:`LOOKED_AT`; the probes of these, and the rules of alerts that are judged
    ``of_stores``, then tell of nothing else.
    """

    def __init__(self, stores: Collection[str] | None = None) -> None:
        self.stores = stores
        self._facts: dict[str, object] = {}
        self.database_answers = False
        """Whether the probe of the database got an answer, even if it did not like that."""

    def once(self, name: str, read: Callable[[], Fact]) -> Fact:
        """What ``read`` returned when it was first called for this name.

        A probe takes what it reads from here, so that its findings in several languages are of the
        same facts and cost one query.
        """
        if name not in self._facts:
            self._facts[name] = read()
        return self._facts[name]  # type: ignore[return-value]

    def mine(self, rows: QuerySet, *order: str, store: str = "store") -> Any:
        """Of these rows those of the situation's stores, looked for among the first in this order,
        in which an index has them."""
        if self.stores is None:
            return rows
        first = rows.order_by(*order).values("pk")[:LOOKED_AT]
        return rows.filter(pk__in=first, **{f"{store}__in": self.stores})

    @cached_property
    def now(self) -> dt.datetime:
        """The time by the database's clock, as used for due times and heartbeats."""
        return database_clock()

    @cached_property
    def broker(self) -> BrokerFacts:
        return ask_broker()

    @cached_property
    def workers(self) -> Sequence[WorkerProcess]:
        """Workers that have reported recently; a stand-alone relay is one without queues."""
        alive = WorkerProcess.objects.publishing().alive(conf().worker_lost_seconds)
        return list(alive.order_by("name"))

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """Names of the live workers that read each queue."""
        return readers_of(self.workers)

    @cached_property
    def queues(self) -> dict[str, QueueState]:
        """The state of each queue that is in use, and of the project's own."""
        only = None if self.stores is None else self.mine
        pending = pending_queues()
        return in_use(queue_states(now=self.now, pending=pending, readers=self.readers, only=only))

    @cached_property
    def waiting(self) -> dict[str, QueueState]:
        """The queues with due runs."""
        return {name: each for name, each in self.queues.items() if each.due}

    @cached_property
    def pauses(self) -> dict[str, QueuePause]:
        """The pauses in force, by queue."""
        return {name: each.pause for name, each in self.queues.items() if each.pause}
