"""Where sales come from: the interface to whichever app keeps them.

Training and forecasting keep no sales of their own. An installed app that does registers a
:class:`DemandSource` in its module ``neural_demand``, which is imported when sales are first
asked for.
"""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol, TypeAlias

from django.db.models import Exists, QuerySet
from django.utils.module_loading import autodiscover_modules

from neural.errors import NeuralError, PermanentError
from neural.models import Store

MODULE = "neural_demand"

SoldRow: TypeAlias = tuple[dt.date, str, str, float]
"""Business day, code of the dish, its name, portions."""


class NoDemandSource(PermanentError):
    """No installed app says where sales are."""


class DemandSourceAlreadyRegistered(NeuralError):
    """Two apps say where sales are."""


class DemandSource(Protocol):
    """What an app that keeps sales tells of them. Days are stores' business days."""

    def sales(self, store: Store, *, first: dt.date, until: dt.date) -> Iterable[SoldRow]:
        """What the store sold from ``first`` to the day before ``until``, by day and dish. A day
        on which it sold nothing has no row, or rows of zero."""
        ...

    def reports(
        self, store: Store, *, first: dt.date, until: dt.date
    ) -> Iterable[tuple[dt.date, Any]]:
        """Day and what was said of it beside sales (docs/learning.md), as JSON came from outside;
        what was said last comes last."""
        ...

    def selling_stores(
        self, *, first: dt.date, last: dt.date, least_days: int = 1
    ) -> QuerySet[Any, Any]:
        """Codes of the stores that sold something on ``least_days`` days or more from ``first``
        to ``last``: a query for ``pk__in``."""
        ...

    def ever_sold(self) -> Exists:
        """The condition by which a query of stores finds those that have sales at all."""
        ...

    def last_day_of(self, store: Store) -> dt.date | None:
        """The last day on which the store sold something."""
        ...

    def last_days(self) -> Iterable[dt.date]:
        """For each store that has sold something the last day on which it did, latest first."""
        ...


_registered: list[DemandSource] = []


def register_demand_source(source: DemandSource) -> None:
    """Say where sales are. There can be one source."""
    if _registered:
        raise DemandSourceAlreadyRegistered(
            f"sales come from {type(_registered[0]).__qualname__}, registered by "
            f"{type(_registered[0]).__module__}, and from {type(source).__qualname__} of "
            f"{type(source).__module__}: leave one of the two apps out of INSTALLED_APPS"
        )
    _registered.append(source)


def demand_source() -> DemandSource:
    """Where sales are, or :class:`NoDemandSource`."""
    _discover()
    if not _registered:
        raise NoDemandSource(
            f"no installed app says where sales are: none has a module {MODULE} that calls "
            "register_demand_source (docs/learning.md)"
        )
    return _registered[0]


@cache
def _discover() -> None:
    """At first use, and not in some app's ``ready()``: other apps may not be ready by then."""
    autodiscover_modules(MODULE)
